"""Edits: values that a person gives for arguments of a task that runs again, as far as its declaration allows them.

The rules are a few words of JSON Schema (draft 2020-12, validation, section 6: type, enum, minimum, maximum, and
max_length for maxLength), each read as it is there; a truth value is no number.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.routes.arguments import NotReplaceable, call_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from orchestrator.domain.failures import Declaration, TaskMessage

NOT_SHOWN: Final = "[not shown: the task does not allow it to be searched by]"
LONGEST_SHOWN: Final = 100
LARGEST_EXACT: Final = 2.0**53
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


@dataclass(frozen=True, slots=True)
class Edits:
    """New values by the names of arguments, and where those stand in the task's signature, as the worker told.

    A position of None: it is passed by name only. A name without one: the worker did not know the signature.
    """

    values: Mapping[str, Any]
    positions: Mapping[str, int | None] = field(default_factory=dict)


def edits_of(values: Mapping[str, Any], declaration: Declaration) -> Edits | None:
    """Give the edits for one failure; None where there are none. A whole number is one, however it was written."""
    if not values:
        return None
    kinds = {name: (declaration.edit.get(name) or {}).get("type") for name in values}
    whole = {name: int(value) for name, value in values.items() if kinds[name] == "integer" and type(value) is float}
    return Edits({**values, **whole}, declaration.positions)


def why_not_editable(declaration: Mapping[str, Any], edits: Mapping[str, Any]) -> str | None:
    """Say why a declaration (as an event carries it) does not allow these edits; None where it does."""
    allowed = declaration.get("edit") or {}
    for name, value in edits.items():
        if name not in allowed:
            those = f"only {', '.join(sorted(allowed))}" if allowed else "none"
            return (
                f"expected arguments that the task allows to be edited, which are {those}, got {name!r}; declare it: "
                f"@app.task(redrive={{'edit': {{{name!r}: {{'type': 'string'}}}}}})"
            )
        why = _why_refused(allowed[name], value)
        if why:
            return f"expected {name} as {why}, got {_came(value)}"
    return None


def _why_refused(rule: Mapping[str, Any], value: object) -> str | None:
    """Say what a value should have been; None where it is that. A rule that nobody can read allows nothing."""
    kind = rule.get("type")
    if kind is not None and (kind not in _TYPES or not _is(value, kind)):
        return f"{'an' if kind == 'integer' else 'a'} {kind}"
    if "enum" in rule and not any(_same(value, each) for each in rule["enum"]):
        return f"one of {', '.join(_short(each) for each in rule['enum'])}"
    if kind is None and "enum" not in rule:
        return "what its rule says, which has neither a type nor an enum"
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = rule.get("minimum", -math.inf), rule.get("maximum", math.inf)
        if not low <= value <= high:
            return f"a number {_between(rule)}"
    if isinstance(value, str) and len(value) > rule.get("max_length", math.inf):
        return f"at most {rule['max_length']} characters"
    return None


def _is(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, float) and not math.isfinite(value):
        return False
    # JSON Schema 6.1.1: an integer is a number without a fraction, however it is written, while floats are exact.
    whole = isinstance(value, float) and value.is_integer() and abs(value) < LARGEST_EXACT
    return isinstance(value, _TYPES[kind]) or (kind == "integer" and whole)


def _same(one: object, other: object) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _between(rule: Mapping[str, Any]) -> str:
    low, high = rule.get("minimum"), rule.get("maximum")
    return " and ".join(
        f"{word} {bound}" for word, bound in (("from", low), ("up to", high)) if bound is not None
    )  # fmt: skip


def _came(value: object) -> str:
    """Tell what came without its text, which may be a secret."""
    return f"text of {len(value)} characters" if isinstance(value, str) else _short(value)


def _short(value: object) -> str:
    shown = json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}..."


def shown(edits: Mapping[str, Any], searchable: Collection[str]) -> dict[str, Any]:
    """Give edits as an audit or an answer may show them: values of arguments that may be searched by, else the names.

    The others may be secrets.
    """
    return {name: value if name in searchable else NOT_SHOWN for name, value in edits.items()}


def why_not_edited(message: TaskMessage, edits: Edits) -> str | None:
    """Say why a message cannot be edited; None where it can, or where nobody can tell before it is opened."""
    if message.sealed is not None or message.claim is not None:
        return None
    try:
        edited(message, edits)
    except NotReplaceable as error:
        return str(error)
    return None


def edited(message: TaskMessage, edits: Edits) -> TaskMessage:
    """Give a message with these values in its call, each where the argument was passed, and never a second time.

    What its headers say of the arguments in words goes, as it is no longer so. One that was redacted and is replaced
    needs nobody to fill it in any more. Raises NotReplaceable.
    """
    args, kwargs, embed = call_of(message.body, message.content_type, message.content_encoding, message.headers)
    if not isinstance(args, list):
        raise NotReplaceable("expected a body of args, kwargs and embed, as protocol 2 has it")
    gone = []
    for name, value in edits.values.items():
        at = _place(name, args, kwargs, edits.positions)
        if at is None:
            kwargs[name] = value
        else:
            args[at] = value
        gone.append(f"kwargs.{name}." if at is None else f"args.{at}.")
    try:
        body = json.dumps([args, kwargs, embed], allow_nan=False).encode(message.content_encoding or "utf-8")
    except (TypeError, ValueError, RecursionError, LookupError) as error:
        raise NotReplaceable(f"expected arguments with JSON values: {error}") from error
    untrue = {f"{path.partition('.')[0]}repr" for path in gone}
    headers = {name: each for name, each in message.headers.items() if name not in untrue}
    redacted = tuple(path for path in message.redacted if not f"{path}.".startswith(tuple(gone)))
    return replace(message, body=body, headers=headers, redacted=redacted)


def _place(name: str, args: list[Any], kwargs: Mapping[str, Any], positions: Mapping[str, int | None]) -> int | None:
    """Tell where an argument stands among the positional ones; None for one that is passed by name, or not at all."""
    if name in kwargs:
        return None
    if name not in positions:
        if args:
            raise NotReplaceable(
                f"expected to know whether {name} was passed by position, got a call with positional arguments and no "
                "signature of its task; run the task's worker with the plugin, so that its next failure tells"
            )
        return None
    at = positions[name]
    return at if at is not None and at < len(args) else None
