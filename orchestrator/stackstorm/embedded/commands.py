"""What people say, read by the formats of aliases: `say {{ what }} {{ times=1 }}` takes "say hello 3 loud=yes".

A format is a regular expression in which each `{{ name }}` takes a word, a text in quotes, or a mapping in braces.
Pairs `name=value` at the end of a command are parameters that the format does not name. The rules are StackStorm's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestrator.stackstorm.embedded.content.values import Alias

_QUOTED: Final = r'""|\'\'|"(.+?)"|\'(.+?)\'|({.+?})'
_PAIR: Final = rf"(?:^|\s+)\s*(\S+?)\s*=({_QUOTED}|(\S+))"
_PAIRS_AT_END: Final = re.compile(rf".*?(({_PAIR}\s*)*)$", re.DOTALL)
_EACH_PAIR: Final = re.compile(_PAIR, re.DOTALL)
_OPTIONAL: Final = rf"{{{{\s*(\S+?)\s*\s*=\s*(?:{_QUOTED}|(.+?))\s*}}}}"
_DEFAULTS: Final = re.compile(_OPTIONAL, re.DOTALL)
_OPTIONAL_PLACE: Final = re.compile(r"(\s*)" + _OPTIONAL)
_PLACE: Final = re.compile(r"(\s*){{\s*(\S+?)\s*}}")
_VALUE: Final = r'\1["\']?(?P<\2>(?:(?<=\').+?(?=\')|(?<=").+?(?=")|{.+?}|.+?))["\']?'
_ESCAPED_OR_CLASS: Final = re.compile(r"\\[^AZ]|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)


class NoMatch(ValueError):
    """A command that a format does not take; the text is StackStorm's own."""


class Ambiguous(ValueError):
    """A command that no format takes, or more than one."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One format of an alias: what is shown of it, and what is matched; `several` takes a command apart many times."""

    alias: Alias
    display: str | None
    representation: str
    several: bool = False


def extract(format_: str, command: str) -> dict[str, Any]:
    """Give the parameters that a command holds by a format; raises NoMatch."""
    text, pairs = _without_pairs(command)
    match = _compiled(format_).search(text)
    if match is None:
        raise NoMatch(f'Command "{command}" doesn\'t match format string "{format_}"')
    return _parameters(format_, match, pairs, text)


def extract_all(format_: str, command: str) -> list[dict[str, Any]]:
    """Give the parameters of every place where a command matches a format; raises NoMatch."""
    text, pairs = _without_pairs(command)
    return [_parameters(format_, match, pairs, text) for match in _compiled(format_).finditer(text)]


def patterns(alias: Alias) -> Iterator[Pattern]:
    """Give each format of an alias in one form."""
    for format_ in alias.document["formats"]:
        if isinstance(format_, str):
            yield Pattern(alias, format_, format_)
            continue
        shown, several = format_.get("display"), bool(format_.get("match_multiple", False))
        given = format_.get("representation") or ([""] if shown else [])
        for representation in [given] if isinstance(given, str) else given:
            yield Pattern(alias, shown, representation, several)


def matching(command: str, aliases: Iterable[Alias]) -> Pattern:
    """Find the one format that takes a command, those that match once before the others; raises Ambiguous."""
    known = [pattern for alias in aliases if alias.enabled for pattern in patterns(alias)]
    for several, called in ((False, "pattern"), (True, "(multi) pattern")):
        found = [pattern for pattern in known if pattern.several is several and _takes(pattern, command)]
        if len(found) > 1:
            raise Ambiguous(f"Command '{command}' matched more than 1 {called}")
        if found:
            return found[0]
    raise Ambiguous(f"Command '{command}' matched no patterns")


def _takes(pattern: Pattern, command: str) -> bool:
    try:
        extract(pattern.representation, command)
    except NoMatch:
        return False
    return True


def _without_pairs(command: str) -> tuple[str, list[tuple[str, str]]]:
    """Cut the pairs off the end of a command; gives what is left between two spaces, and the pairs."""
    found = _PAIRS_AT_END.match(command)
    ending = found.group(1) if found else ""
    pairs = [(pair[0], "".join(pair[2:])) for pair in _EACH_PAIR.findall(ending)]
    return f" {command.replace(ending, '') if ending else command} ", pairs


def _parameters(format_: str, match: re.Match[str], pairs: list[tuple[str, str]], text: str) -> dict[str, Any]:
    found: dict[str, Any] = match.groupdict()
    for name, *default in _DEFAULTS.findall(format_):
        found[name] = found[name] or "".join(default)
    found.update(pairs)
    if format_ and not (text.strip() or any(found.values())):
        raise NoMatch("No value supplied and no default value found.")
    return found


@lru_cache(maxsize=512)
def _compiled(format_: str) -> re.Pattern[str]:
    """Make a format's regular expression, held to both ends unless it holds itself there."""
    text = _OPTIONAL_PLACE.sub(rf"(?:{_VALUE})?", format_)
    text = _PLACE.sub(_VALUE, text)
    anchors = _ESCAPED_OR_CLASS.sub("", text)
    begins = "" if "^" in anchors or r"\A" in anchors else r"^\s*"
    ends = "" if "$" in anchors or r"\Z" in anchors else r"\s*$"
    return re.compile(begins + text + ends, re.DOTALL)
