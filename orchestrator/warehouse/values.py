"""What a field of an event has to be for a column to hold it; each check raises Unloadable with the field's name."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, Any, Final

from orchestrator.warehouse.schema import LIMIT_USD

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

MOST: Final = 2**63 - 1
BUCKETS: Final = 512
LONGEST_HASH: Final = 64


class Unloadable(ValueError):
    """An event that no row can be made of; says which field is wrong."""


def text(data: Mapping[str, Any], name: str) -> str | None:
    """Take text that a database can hold, or nothing."""
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or "\0" in value:
        raise Unloadable(f"expected text without NUL in {name}, got {value!r}")
    return value


def named(data: Mapping[str, Any], name: str) -> str:
    """Take text that is not empty."""
    value = text(data, name)
    if not value:
        raise Unloadable(f"expected a name in {name}, got {value!r}")
    return value


def hashed(data: Mapping[str, Any], name: str) -> str:
    """Take a hash, as long as its column."""
    value = named(data, name)
    if len(value) > LONGEST_HASH:
        raise Unloadable(f"expected a hash of at most {LONGEST_HASH} characters in {name}, got {len(value)}")
    return value


def flag(data: Mapping[str, Any], name: str) -> bool:
    """Take a boolean."""
    value = data.get(name)
    if not isinstance(value, bool):
        raise Unloadable(f"expected true or false in {name}, got {value!r}")
    return value


def count(data: Mapping[str, Any], name: str) -> int:
    """Take a number that a column of 64 bits can hold."""
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST:
        raise Unloadable(f"expected a whole number of at least 0 in {name}, got {value!r}")
    return value


def counts(value: object) -> array[int]:
    """Take a sketch's counts."""
    if not isinstance(value, list) or len(value) != BUCKETS:
        raise Unloadable(f"expected a list of {BUCKETS} counts in sketch.counts, got {type(value).__name__}")
    try:
        return array("H", value)
    except (TypeError, OverflowError) as error:
        raise Unloadable(f"expected counts from 0 to 65535 in sketch.counts, got: {error}") from None


def seconds(data: Mapping[str, Any], name: str) -> float | None:
    """Take a length of time, or nothing."""
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
        raise Unloadable(f"expected a number of seconds in {name}, got {value!r}")
    return float(value)


def usd(amount: Decimal | None) -> Decimal | None:
    """Take an amount that NUMERIC(18, 10) can hold, or nothing."""
    if amount is not None and not abs(amount) < LIMIT_USD:
        raise Unloadable(f"expected a cost below {LIMIT_USD} USD, got {amount}")
    return amount
