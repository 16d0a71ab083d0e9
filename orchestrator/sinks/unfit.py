"""What is wrong with an event that no destination could take: told with the field, before anything is sent."""

from __future__ import annotations

import json
import math
from typing import Any

import orjson


class Unfit(ValueError):
    """An event that a sink cannot send: the reason, and the field that is wrong (`data.user_id`), where one is."""

    def __init__(self, reason: str, field: str | None = None) -> None:
        super().__init__(reason)
        self.field = field


def read(body: bytes) -> dict[str, Any]:
    """Read an event's bytes as its envelope; raises Unfit, which names the number that JSON cannot hold."""
    try:
        envelope = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _unreadable(body, error) from error
    if not isinstance(envelope, dict):
        raise Unfit(f"expected an object, got {type(envelope).__name__}")
    return envelope


def data_of(envelope: dict[str, Any]) -> dict[str, Any]:
    """Give the data of an event; raises Unfit when there is none."""
    data = envelope.get("data")
    if not isinstance(data, dict):
        raise Unfit(f"expected an object in data, got {type(data).__name__}", "data")
    return data


def written(value: object, option: int | None = None) -> bytes:
    """Write a value as JSON; raises Unfit for one that JSON cannot hold, or that is nested too deeply to be written."""
    try:
        return orjson.dumps(value, option=option)
    except TypeError as error:
        raise Unfit(f"expected what JSON can hold, got: {error}") from error


def largest(value: object, path: str = "data") -> str:
    """Name the field that takes the most room, by the way to it, in something that is too large."""
    parts = _parts(value, path)
    sizes = {way: len(orjson.dumps(each, default=str)) for way, each in parts}
    top = max(sizes, key=lambda way: sizes[way], default=None)
    if top is None or sizes[top] * 2 < sum(sizes.values()):
        return path
    return largest(dict(parts)[top], top)


def _unreadable(body: bytes, error: orjson.JSONDecodeError) -> Unfit:
    try:
        place = _not_finite(json.loads(body), "")
    except (ValueError, RecursionError):
        place = None
    if place is None:
        return Unfit(f"expected JSON, got bytes that are none: {error}")
    return Unfit(f"expected a finite number in {place}, got one that JSON cannot hold", place)


def _not_finite(value: object, path: str) -> str | None:
    if isinstance(value, float):
        return None if math.isfinite(value) else path
    found = (_not_finite(each, way) for way, each in _parts(value, path))
    return next((way for way in found if way), None)


def _parts(value: object, path: str) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(f"{path}.{name}" if path else str(name), each) for name, each in value.items()]
    if isinstance(value, list):
        return [(f"{path}[{index}]", each) for index, each in enumerate(value)]
    return []
