"""Paths into payloads, as the keys of criteria name them: the part of JSONPath that StackStorm's rules are written in.

`trigger.name`, `trigger.list[0]`, `trigger.map['the key']`, `trigger.list[*].name` and `trigger.map.*`; of many values
the first is taken. What does not lead on gives None; an index into what has no length raises, as the real lookup does.
"""

from __future__ import annotations

import re
from typing import Any, Final

ANY_ITEM: Final = slice(None)
ANY_MEMBER: Final = None
Step = str | int | slice | None

_STEP = re.compile(
    r"""(?P<dot>\.)?(?:(?P<name>[a-zA-Z_@][a-zA-Z0-9_@-]*)|(?P<star>\*)|(?P<quoted>'[^']*'|"[^"]*"))"""
    r"""|\[(?:(?P<index>-?\d+)|(?P<each>\*)|(?P<key>'[^']*'|"[^"]*"))\]"""
)


class PathError(ValueError):
    """A key of criteria that is no such path."""


def parse(text: str, prefix: str) -> tuple[Step, ...]:
    """Read a path that begins with `prefix`; raises PathError."""
    steps: list[Step] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None or (
            match["index"] is None and not match["each"] and not match["key"] and bool(position) != bool(match["dot"])
        ):
            break
        steps.append(_step(match))
        position = match.end()
    if position < len(text) or not steps or steps[0] != prefix:
        raise PathError(f"expected a path such as {prefix}.name, {prefix}.list[0] or {prefix}.map['key']")
    return tuple(steps[1:])


def lookup(steps: tuple[Step, ...], payload: Any) -> Any:
    """Give the first value at a path, or None; raises TypeError or KeyError for an index that cannot be one."""
    values = [payload]
    for step in steps:
        values = [found for value in values for found in _follow(step, value)]
    return values[0] if values else None


def _step(match: re.Match[str]) -> Step:
    if match["index"] is not None:
        return int(match["index"])
    if match["each"]:
        return ANY_ITEM
    if match["star"]:
        return ANY_MEMBER
    quoted = match["quoted"] or match["key"]
    return quoted[1:-1] if quoted else match["name"]


def _follow(step: Step, value: Any) -> list[Any]:
    if isinstance(step, int):
        return [value[step]] if len(value) > step else []
    if step is ANY_MEMBER:
        return list(value.values()) if isinstance(value, dict) else []
    if isinstance(step, slice):
        return [value] if isinstance(value, dict | int | str) else list(value)
    try:
        return [value[step]]
    except (TypeError, KeyError):
        return []
