"""The fields of routes as documents have them: each reader gives a value or says what was expected and what came."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any, Final

LONGEST: Final = 200
Readers = Mapping[str, Callable[[object, str], Any]]


class RouteInvalid(ValueError):
    """A route, a constraint or an entry of the table that cannot be used: says where, what was expected, what came."""


def read(given: Mapping[str, Any], readers: Readers, where: str) -> dict[str, Any]:
    """Read every key of a document; raises RouteInvalid for one that is not known, or whose value is not understood."""
    for key in given:
        if key not in readers:
            known = ", ".join(readers)
            raise RouteInvalid(f"{where}: expected only the keys {known}; got {key}{meant(key, readers)}")
    return {key: reader(given[key], f"{where}.{key}") for key, reader in readers.items() if key in given}


def meant(key: str, known: Mapping[str, Any]) -> str:
    """Say which key was meant by one that is not known."""
    close = get_close_matches(str(key), list(known), n=1)
    return f" (meant: {close[0]}?)" if close else ""


def mapping(value: object, where: str) -> Mapping[str, Any]:
    """Read a mapping."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise RouteInvalid(f"{where}: expected a mapping, got {short(value)}")
    return value


def text(value: object, where: str) -> str:
    """Read text."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST or "\0" in value:
        raise RouteInvalid(f"{where}: expected text of 1 to {LONGEST} characters, got {short(value)}")
    return value


def text_or_empty(value: object, where: str) -> str:
    """Read text that may be empty."""
    return "" if value == "" else text(value, where)


def names(value: object, where: str) -> tuple[str, ...]:
    """Read a list of names."""
    if not isinstance(value, list | tuple):
        raise RouteInvalid(f"{where}: expected a list of names, got {short(value)}")
    return tuple(text(each, where) for each in value)


def number(value: object, where: str) -> int:
    """Read a whole number from 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise RouteInvalid(f"{where}: expected a number from 1, got {short(value)}")
    return value


def price(value: object, where: str) -> Decimal:
    """Read USD per million tokens."""
    try:
        usd = Decimal(str(value)) if isinstance(value, int | float | str | Decimal) else None
    except InvalidOperation:
        usd = None
    if usd is None or isinstance(value, bool) or not usd.is_finite() or usd < 0:
        raise RouteInvalid(f"{where}: expected USD per million tokens, got {short(value)}")
    return usd


def arguments(value: object, where: str) -> dict[str, Any]:
    """Read keyword arguments: what comes back from JSON otherwise would run otherwise."""
    try:
        kept: dict[str, Any] = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        kept = {}
    if not isinstance(value, Mapping) or not value or kept != dict(value):
        raise RouteInvalid(f"{where}: expected keyword arguments with JSON values, got {short(value)}")
    return kept


def short(value: object) -> str:
    """Show a value in an error."""
    shown = repr(value)
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}..."
