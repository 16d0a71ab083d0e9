"""Header values of a message as JSON, and back: brokers carry bytes, times and decimals, which JSON does not."""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

# A one-key object under one of these names stands for a value that JSON can't hold; "$object" is a real one-key object.
_THAW: Final[Mapping[str, Callable[[Any], Any]]] = {
    "$bytes": b64decode,
    "$int": int,
    "$time": datetime.fromisoformat,
    "$decimal": Decimal,
    "$float": float,
    "$object": lambda value: {key: thaw(each) for key, each in value.items()},
}


# What JSON is written with holds integers of 64 bits; Python and some brokers know no such bound.
_INTEGERS: Final = 1 << 63


def text(value: object) -> str:
    """Give what UTF-8 can hold of a text: half of a surrogate pair may stand in a message's."""
    return str(value).encode(errors="replace").decode()


def freeze(value: Any) -> Any:  # noqa: ANN401 - a header's value is whatever the broker carries
    """Give a header value as JSON; raises TypeError for what no broker carries. Tuples come back as lists."""
    if value is None or (isinstance(value, int) and -_INTEGERS <= value < _INTEGERS):
        return value
    if isinstance(value, str):
        return text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": repr(value)}
    if isinstance(value, (list, tuple)):
        return [freeze(each) for each in value]
    if isinstance(value, Mapping):
        frozen = {text(key): freeze(each) for key, each in value.items()}
        return {"$object": frozen} if len(frozen) == 1 and next(iter(frozen)) in _THAW else frozen
    return _tagged(value)


def _tagged(value: object) -> dict[str, str]:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$bytes": b64encode(value).decode()}
    if isinstance(value, datetime):
        return {"$time": value.isoformat()}
    if isinstance(value, int):
        return {"$int": str(int(value))}
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    raise TypeError(f"expected a header value that a broker carries, got {type(value).__name__}")


def thaw(value: Any) -> Any:  # noqa: ANN401 - as freeze
    """Give a frozen header value as it was."""
    if isinstance(value, list):
        return [thaw(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    if len(value) == 1:
        ((key, inner),) = value.items()
        if key in _THAW:
            return _THAW[key](inner)
    return {key: thaw(each) for key, each in value.items()}
