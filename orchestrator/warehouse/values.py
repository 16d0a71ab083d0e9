"""What a field of an event has to be for a column to hold it; each check raises Unloadable with the field's name."""

from __future__ import annotations

import math
import sys
from array import array
from base64 import b64decode
from datetime import MAXYEAR, UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NoReturn
from uuid import UUID

from orchestrator.warehouse.columns import LIMIT_USD

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

MOST: Final = 2**63 - 1
# More tokens than any call has; SQLite, whose sums have 64 bits too, adds up nine million such calls.
MOST_TOKENS: Final = 10**12
BUCKETS: Final = 512
LONGEST_HASH: Final = 64
LONGEST_VECTOR: Final = 4_096
FLOAT_BYTES: Final = 4


class Unloadable(ValueError):
    """An event that no row can be made of; `field` is the one that is wrong."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(expected)
        self.field = field


def text(data: Mapping[str, Any], name: str) -> str | None:
    """Take text that a database can hold, or nothing."""
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or "\0" in value:
        raise Unloadable(name, f"expected text without NUL in {name}, got {value!r}")
    return value


def named(data: Mapping[str, Any], name: str) -> str:
    """Take text that is not empty."""
    value = text(data, name)
    if not value:
        raise Unloadable(name, f"expected a name in {name}, got {value!r}")
    return value


def hashed(data: Mapping[str, Any], name: str) -> str:
    """Take a hash, as long as its column."""
    value = named(data, name)
    if len(value) > LONGEST_HASH:
        raise Unloadable(name, f"expected a hash of at most {LONGEST_HASH} characters in {name}, got {len(value)}")
    return value


def bounded(data: Mapping[str, Any], name: str, longest: int) -> str | None:
    """Take text that is no longer than its column, or nothing."""
    value = text(data, name)
    if value is not None and len(value) > longest:
        raise Unloadable(name, f"expected at most {longest} characters in {name}, got {len(value)}")
    return value


def key(data: Mapping[str, Any], name: str) -> UUID | None:
    """Take a UUID, or nothing."""
    value = text(data, name)
    try:
        return None if value is None else UUID(value)
    except ValueError:
        raise Unloadable(name, f"expected a UUID in {name}, got {value!r}") from None


def moment(data: Mapping[str, Any], name: str) -> datetime | None:
    """Take a time with an offset, or nothing."""
    value = text(data, name)
    if value is None:
        return None
    try:
        return instant(datetime.fromisoformat(value), name)
    except ValueError:
        raise Unloadable(name, f"expected a time with an offset in {name}, got {value!r}") from None


def instant(time: datetime, name: str) -> datetime:
    """Take a time that has an offset, and give it in UTC; not of the last year, which has an hour without end."""
    try:
        return time.astimezone(UTC) if time.tzinfo and time.year < MAXYEAR else _refused(time, name)
    except OverflowError:
        return _refused(time, name)


def _refused(time: datetime, name: str) -> NoReturn:
    raise Unloadable(name, f"expected a time with an offset, of the years 1 to 9998, in {name}, got {time.isoformat()}")


def flag(data: Mapping[str, Any], name: str) -> bool:
    """Take a boolean."""
    value = data.get(name)
    if not isinstance(value, bool):
        raise Unloadable(name, f"expected true or false in {name}, got {value!r}")
    return value


def count(data: Mapping[str, Any], name: str, most: int = MOST) -> int:
    """Take a number that a column of 64 bits can hold."""
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise Unloadable(name, f"expected a whole number from 0 to {most} in {name}, got {value!r}")
    return value


def number(data: Mapping[str, Any], name: str, most: int = MOST) -> int | None:
    """Take a number that a column of 64 bits can hold, or nothing."""
    return None if data.get(name) is None else count(data, name, most)


def counts(value: object) -> array[int]:
    """Take a sketch's counts."""
    if not isinstance(value, list) or len(value) != BUCKETS:
        raise Unloadable(
            "sketch.counts", f"expected a list of {BUCKETS} counts in sketch.counts, got {type(value).__name__}"
        )
    try:
        return array("H", value)
    except (TypeError, OverflowError) as error:
        raise Unloadable("sketch.counts", f"expected counts from 0 to 65535 in sketch.counts, got: {error}") from None


def vector(value: object) -> array[float]:
    """Take an embedder's vector: base64 of 32-bit floats, the low byte first, finite and not all 0."""
    try:
        packed = b64decode(value, validate=True) if isinstance(value, str) else b""
    except ValueError:
        packed = b""
    taken = array("f")
    if len(packed) % FLOAT_BYTES == 0 and len(packed) <= FLOAT_BYTES * LONGEST_VECTOR:
        taken.frombytes(packed)
    if sys.byteorder == "big":
        taken.byteswap()
    if not any(taken) or not all(map(math.isfinite, taken)):
        raise Unloadable(
            "embedding.vector",
            f"expected 1 to {LONGEST_VECTOR} finite 32-bit floats in base64, not all 0, in embedding.vector",
        )
    return taken


def seconds(data: Mapping[str, Any], name: str) -> float | None:
    """Take a length of time, or nothing."""
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
        raise Unloadable(name, f"expected a number of seconds in {name}, got {value!r}")
    return float(value)


def real(data: Mapping[str, Any], name: str) -> float | None:
    """Take a finite number, or nothing."""
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise Unloadable(name, f"expected a finite number in {name}, got {value!r}")
    return float(value)


def mapping(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Take an object."""
    value = data.get(name)
    if not isinstance(value, dict):
        raise Unloadable(name, f"expected an object in {name}, got {type(value).__name__}")
    return value


def names(value: object, name: str) -> list[str]:
    """Take a list of texts that are not empty."""
    if not isinstance(value, list):
        raise Unloadable(name, f"expected a list of names in {name}, got {type(value).__name__}")
    return [named({name: each}, name) for each in value]


def usd(amount: Decimal | None) -> Decimal | None:
    """Take an amount that NUMERIC(18, 10) can hold, or nothing."""
    if amount is not None and not abs(amount) < LIMIT_USD:
        raise Unloadable("usd_cost", f"expected a cost below {LIMIT_USD} USD, got {amount}")
    return amount
