"""Cron fields as APScheduler, which StackStorm's timers run on, reads them: eight fields, down to the second.

A field is a list of terms, of which one must hold: `*`, `*/n`, `a`, `a-b`, `a-b/n`, `a/n`; names of months and of days
of the week and ranges of them; in `day` also `last`, `last fri` and `1st mon` to `5th sun`. The week begins on Monday,
which is 0. A field that is left out means its lowest value where it is finer than every field given, and any otherwise.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

RANGES: Final = {
    "year": (1970, 9999),
    "month": (1, 12),
    "day": (1, 31),
    "week": (1, 53),
    "day_of_week": (0, 6),
    "hour": (0, 23),
    "minute": (0, 59),
    "second": (0, 59),
}
UNITS: Final = ("year", "month", "day", "hour", "minute", "second")
_NAMES: Final = {
    "month": ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    "day_of_week": ("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
}
_PLACES: Final = ("1st", "2nd", "3rd", "4th", "5th", "last")
_NUMBERS = re.compile(r"(?:(?P<any>\*)|(?P<first>\d+)(?:-(?P<last>\d+))?)(?:/(?P<step>\d+))?$")
_WORDS = re.compile(r"(?P<first>[a-z]+)(?:-(?P<last>[a-z]+))?$", re.IGNORECASE)
_PLACE = re.compile(rf"(?P<place>{'|'.join(_PLACES)}) +(?P<day>[a-z]+)$", re.IGNORECASE)
# The calendar repeats itself after 400 years: what does not come within them never does.
_CYCLE: Final = 400
_WEEK: Final = 7
_LAST_YEAR: Final = 9999


class CronError(ValueError):
    """A field that cannot be read; `field` is its name."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(expected)
        self.field = field


@dataclass(frozen=True, slots=True)
class Term:
    """Every `step`-th number from `first` to `last`; `last` None is the end of the field's range."""

    first: int
    last: int | None = None
    step: int = 1

    def at_least(self, value: int, wall: datetime, highest: int) -> int | None:
        """Give the first number from `value` on, up to `highest`."""
        del wall
        low = max(self.first, value)
        found = low + (self.first - low) % self.step
        return found if found <= min(highest, highest if self.last is None else self.last) else None


@dataclass(frozen=True, slots=True)
class Place:
    """A day of the month by its place: the `number`-th (0: the last) of a day of the week, or of any day (None)."""

    number: int
    weekday: int | None

    def at_least(self, value: int, wall: datetime, highest: int) -> int | None:
        """Give that day of the month of `wall`, where it is `value` or later."""
        found = highest
        if self.weekday is not None:
            first = 1 + (self.weekday - monthrange(wall.year, wall.month)[0]) % _WEEK
            weeks = (highest - first) // _WEEK if self.number == 0 else self.number - 1
            found = first + weeks * _WEEK
        return found if value <= found <= highest else None


@dataclass(frozen=True, slots=True)
class Field:
    """One field: a wall clock fits where one of its terms does."""

    name: str
    terms: tuple[Term | Place, ...]

    def value(self, wall: datetime) -> int:
        """Give what the field shows on a wall clock."""
        if self.name == "week":
            return wall.isocalendar().week
        return wall.weekday() if self.name == "day_of_week" else int(getattr(wall, self.name))

    def at_least(self, wall: datetime) -> int | None:
        """Give the smallest value that fits, from what the clock shows on."""
        highest = monthrange(wall.year, wall.month)[1] if self.name == "day" else RANGES[self.name][1]
        value = self.value(wall)
        found = [term.at_least(value, wall, highest) for term in self.terms]
        return min((one for one in found if one is not None), default=None)


def parse(given: Mapping[str, Any]) -> tuple[Field, ...]:
    """Read the fields that are given; raises CronError."""
    named = [name for name in RANGES if given.get(name) is not None]
    finest = list(RANGES).index(named[-1]) if named else len(RANGES)
    fields = []
    for index, (name, (lowest, _)) in enumerate(RANGES.items()):
        reset = index > finest and name not in ("week", "day_of_week")
        text = given.get(name)
        fields.append(Field(name, _terms(name, str(lowest if reset else "*") if text is None else str(text))))
    return tuple(fields)


def next_wall(fields: tuple[Field, ...], wall: datetime) -> datetime | None:
    """Give the first time from `wall` on that fits all fields, both without a zone; None where there never is one."""
    moment: datetime | None = wall
    last = min(wall.year + _CYCLE, _LAST_YEAR)
    while moment is not None and moment.year <= last:
        later = _first_misfit(fields, moment)
        if later is moment:
            return moment
        moment = later
    return None


def _first_misfit(fields: tuple[Field, ...], wall: datetime) -> datetime | None:
    """Give the next time at which the coarsest field that does not fit may fit; `wall` itself where all do."""
    for field in fields:
        wanted = field.at_least(wall)
        if wanted == field.value(wall):
            continue
        if field.name not in UNITS:
            return _carried(wall, "day")
        if wanted is None:
            above = UNITS.index(field.name) - 1
            return _carried(wall, UNITS[above]) if above >= 0 else None
        return _with(_floor(wall, field.name), {field.name: wanted})
    return wall


def _carried(wall: datetime, unit: str) -> datetime | None:
    """Give the beginning of the next year, month, day, hour or minute."""
    start = _floor(wall, unit)
    if unit == "year" or (unit == "month" and start.month == RANGES["month"][1]):
        return start.replace(year=start.year + 1, month=1) if start.year < _LAST_YEAR else None
    if unit == "month":
        return start.replace(month=start.month + 1)
    try:
        return start + timedelta(**{f"{unit}s": 1})
    except OverflowError:
        return None


def _floor(wall: datetime, unit: str) -> datetime:
    finer = UNITS[UNITS.index(unit) + 1 :]
    return _with(wall.replace(microsecond=0), {name: RANGES[name][0] for name in finer})


def _with(wall: datetime, units: Mapping[str, int]) -> datetime:
    year, month, day, hour, minute, second = (units.get(name, getattr(wall, name)) for name in UNITS)
    return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 a wall clock has no zone


def _terms(name: str, text: str) -> tuple[Term | Place, ...]:
    return tuple(_term(name, part) for part in re.split(" *, *", text.strip()))


def _term(name: str, text: str) -> Term | Place:
    if match := _NUMBERS.match(text):
        return _numbers(name, text, match)
    if name == "day" and text.lower() == "last":
        return Place(0, None)
    if name == "day" and (match := _PLACE.match(text)) and match["day"].lower() in _NAMES["day_of_week"]:
        place = (_PLACES.index(match["place"].lower()) + 1) % len(_PLACES)
        return Place(place, _NAMES["day_of_week"].index(match["day"].lower()))
    if name in _NAMES and (match := _WORDS.match(text)):
        first, last = (_named(name, word) for word in (match["first"], match["last"] or match["first"]))
        if first > last:
            raise CronError(name, f"expected a range that goes up, got {text!r}")
        return Term(first, last)
    raise CronError(name, f"expected *, */n, a, a-b or a-b/n{_HINTS.get(name, '')}, got {text!r}")


def _numbers(name: str, text: str, match: re.Match[str]) -> Term:
    lowest, highest = RANGES[name]
    first = lowest if match["any"] else int(match["first"])
    open_end = match["any"] or (match["step"] and not match["last"])
    last = None if open_end else int(match["last"] or first)
    end = highest if last is None else last
    step = int(match["step"] or 1)
    if not lowest <= first <= end <= highest:
        raise CronError(name, f"expected numbers from {lowest} to {highest}, the lower one first, got {text!r}")
    if step < 1 or (match["step"] and step > end - first):
        raise CronError(name, f"expected a step from 1 to {max(1, end - first)}, got {text!r}")
    return Term(first, last, step)


def _named(name: str, word: str) -> int:
    if word.lower() not in _NAMES[name]:
        raise CronError(name, f"expected one of {', '.join(_NAMES[name])}, got {word!r}")
    return _NAMES[name].index(word.lower()) + RANGES[name][0]


_HINTS: Final = {
    "month": ", or names such as jan or jan-mar",
    "day_of_week": ", or names such as mon or mon-fri",
    "day": ", or last, last fri, 1st mon",
}
