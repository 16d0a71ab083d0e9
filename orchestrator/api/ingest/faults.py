"""What is wrong with an event that came over HTTP: the field, what was expected there, and what came."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eventbus import scrub

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN: Final = 100
LONGEST: Final = 1_024
SMALLEST: Final = -(2**63)
LARGEST: Final = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong. `field` is a JSON pointer (RFC 6901) into the event."""

    field: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"expected {self.expected} at {self.field or 'the whole'}, got {self.got}"

    def told(self, before: str = "") -> dict[str, Any]:
        """Give it as a member of `errors`; `before` is where the event stands in what came."""
        got = scrub.text(self.got)
        said = f"expected {self.expected}, got {got}"
        return {"field": before + self.field, "expected": self.expected, "got": got, "message": said}


def pointer(*parts: object) -> str:
    """Make a JSON pointer of names and places."""
    return whole("".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts))


def whole(text: str) -> str:
    """Give a text in which each half of a surrogate pair is written out, so that it can be told."""
    return text.encode(errors="backslashreplace").decode()


def shown(value: object) -> str:
    """Show what came: a text or a number in short, of what holds others the kind alone."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    text = whole(repr(value) if isinstance(value, str) else str(value).lower())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"


Trail = tuple["Trail", object] | None


def _pointer(trail: Trail) -> str:
    """Make the JSON pointer of a place, shortened where its names are long."""
    names: list[object] = []
    while trail is not None:
        trail, name = trail
        names.append(name)
    found = pointer(*reversed(names))
    return found if len(found) <= LONGEST else f"{found[:LONGEST]}..."


def unfit(value: object, at: Trail = None) -> Iterator[Fault]:
    """Find what JSON cannot hold, though some readers take it: NaN, Infinity, half of a surrogate pair, huge numbers.

    Raises RecursionError for what is nested too deeply.
    """
    if isinstance(value, float) and not math.isfinite(value):
        yield Fault(_pointer(at), "a finite number", shown(value))
    elif isinstance(value, int) and not SMALLEST <= value <= LARGEST:
        yield Fault(_pointer(at), "a number of at most 64 bits", shown(value))
    elif isinstance(value, str) and not value.isascii() and any("\ud800" <= each <= "\udfff" for each in value):
        yield Fault(_pointer(at), "text of whole Unicode characters", shown(value))
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from unfit(name, at)
            yield from unfit(each, (at, name))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from unfit(each, (at, number))
