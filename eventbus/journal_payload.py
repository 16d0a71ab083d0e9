"""A run's record as a journal holds it: JSON, and the message's body as it came."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Any, Final

import orjson

from eventbus.frozen import freeze

if TYPE_CHECKING:
    from collections.abc import Mapping

# Before a run's record: the size of its JSON, and the seconds since boot, which tell its process from a later namesake.
_SIZES: Final = struct.Struct("<Id")
_TELLS_UPTIME: Final = hasattr(time, "CLOCK_BOOTTIME")
_PLAIN: Final = frozenset({str, int, bool, type(None)})
# What orjson would otherwise write as some JSON that does not tell what it was.
_STRICT: Final = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS
# The headers of Celery's message protocol 2, and of what a virtual transport adds.
_CELERY_S: Final = frozenset(
    (
        *("lang", "task", "id", "shadow", "eta", "expires", "group", "group_index", "retries", "timelimit", "root_id"),
        *("parent_id", "argsrepr", "kwargsrepr", "origin", "ignore_result", "replaced_task_nesting"),
        *("stamped_headers", "stamps"),
    )
)


def unpacked(payload: bytes) -> tuple[dict[str, Any], float]:
    """Read a run's record as it was given to `began`, its message's body as bytes, and its seconds since boot."""
    size, uptime = _SIZES.unpack_from(payload)
    split = _SIZES.size + size
    record: dict[str, Any] = orjson.loads(payload[_SIZES.size : split])
    if record.get("message") is not None and record["message"]["body"] is None:
        record["message"]["body"] = payload[split:]
    return record, uptime


def _uptime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) if _TELLS_UPTIME else 0.0


def packed(record: Mapping[str, Any]) -> tuple[bytes, bytes, bytes]:
    """Give a record as bytes: what stands before its JSON, the JSON, and its message's body as it came."""
    message, body = record["message"], b""
    if isinstance(message["body"], str):
        text = _text_of(record)
    else:
        body = message["body"]
        text = _as_it_came(record, message, body) or _frozen(record, message)
    return _SIZES.pack(len(text), _uptime()), text, body


def _text_of(record: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(record)
    except TypeError:
        return orjson.dumps(_fit(record))


def _fit(record: Mapping[str, Any]) -> dict[str, Any]:
    """Make texts and numbers fit for JSON, but for headers and properties, which have a way of their own."""
    message = {name: freeze(value) if isinstance(value, str) else value for name, value in record["message"].items()}
    return {name: freeze(value) for name, value in record.items() if name != "message"} | {"message": message}


def _is_json(headers: Mapping[str, Any]) -> bool:
    """Tell whether headers say in JSON what they say: Celery's own do; others may hold a NaN, or look like a tag."""
    if _CELERY_S.issuperset(headers):
        return not headers.get("stamps")
    others = headers.keys() - _CELERY_S
    return not headers.get("stamps") and _PLAIN.issuperset([type(headers[name]) for name in others])


def _as_it_came(record: Mapping[str, Any], message: Mapping[str, Any], body: bytes) -> bytes | None:
    """Give the JSON of a record without copying it, its body left out; None where JSON does not tell all of it."""

    def without_body(value: object) -> None:
        if value is not body:
            raise TypeError

    try:
        plain = message["properties"] is not None and _is_json(message["headers"])
        return orjson.dumps(record, default=without_body, option=_STRICT) if plain else None
    except (TypeError, AttributeError):
        return None


def _frozen(record: Mapping[str, Any], message: Mapping[str, Any]) -> bytes:
    headers, properties = freeze(message["headers"] or {}), freeze(message["properties"] or {})
    fit = _fit(record)
    told = {**fit["message"], "headers": headers, "properties": properties, "body": None}
    return orjson.dumps({**fit, "message": told}, option=_STRICT)
