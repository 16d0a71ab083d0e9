"""What people say, read by the formats of aliases; the cases were run through StackStorm's own reader as well."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.stackstorm.embedded.commands import Ambiguous, NoMatch, extract, extract_all, matching
from orchestrator.stackstorm.embedded.content.values import Alias


@pytest.mark.parametrize(
    ("format_", "command", "expected"),
    [
        ("say {{ what }}", "say hello world", {"what": "hello world"}),
        ("say {{ what }} {{ times=1 }}", "say hello 3", {"what": "hello", "times": "3"}),
        ("say {{ what }} {{ times=1 }}", "say hello", {"what": "hello", "times": "1"}),
        ("say {{ what }}", 'say "a b" loud=yes note="x y"', {"what": "a b", "loud": "yes", "note": "x y"}),
        ("say {{ what }}", "say hi empty='' map={'a': 1}", {"what": "hi", "empty": "", "map": "{'a': 1}"}),
        (
            "run {{ cmd }} on {{ hosts='all of them' }}",
            "run 'ls -l' on web1,web2",
            {"cmd": "ls -l", "hosts": "web1,web2"},
        ),
        ("restart( {{ service=httpd }})?", "restart", {"service": "httpd"}),
        (r"open \d+ {{ name }}", "open 12 door", {"name": "door"}),
        ("^say {{ what }}$", " say x ", None),
        ("say {{ what }}", "tell hello", None),
        ("{{ a=1 }}", "", {"a": "1"}),
        ("ping", "", None),
    ],
)
def test_a_command_gives_its_parameters(format_: str, command: str, expected: dict[str, Any] | None) -> None:
    """Words, quoted texts, mappings, defaults, and pairs that the format does not name; None is no match."""
    if expected is None:
        with pytest.raises(NoMatch):
            extract(format_, command)
    else:
        assert extract(format_, command) == expected


def test_one_command_may_match_many_times() -> None:
    """Each place gives its own parameters; the pairs at the end belong to all."""
    found = extract_all(r"\bhost {{ name }}\b", "host web1 host web2 region=eu")
    assert [each["region"] for each in found] == ["eu"] * len(found)
    assert found


def alias(name: str, *formats: Any, enabled: bool = True) -> Alias:
    """An alias with formats."""
    return Alias("p", name, "p.act", {"formats": list(formats)}, enabled)


def test_the_one_alias_that_takes_a_command_is_found() -> None:
    """A disabled one is not asked; more than one, and none, are told apart."""
    say = alias("say", {"display": "say words", "representation": ["say {{ what }}", "tell {{ what }}"]})
    off = alias("off", "say {{ what }}", enabled=False)
    found = matching("tell hi", [off, say])
    assert (found.alias, found.display, found.representation) == (say, "say words", "tell {{ what }}")
    with pytest.raises(Ambiguous, match="Command 'say hi' matched more than 1 pattern"):
        matching("say hi", [say, alias("also", "say {{ x }}")])
    with pytest.raises(Ambiguous, match="Command 'sing' matched no patterns"):
        matching("sing", [say])


def test_a_format_that_matches_many_times_is_asked_last() -> None:
    """It counts only where no other takes the command."""
    many = alias("many", {"representation": ["say {{ what }}"], "match_multiple": True})
    once = alias("once", "say {{ what }}")
    assert matching("say hi", [many, once]).alias is once
    assert matching("say hi", [many]).several
