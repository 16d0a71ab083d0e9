"""Windows and blackouts: when the times of a schedule may be used, by the wall clock of its time zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from orchestrator.domain.errors import InvalidPlan

if TYPE_CHECKING:
    from datetime import tzinfo

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES: Final = 24 * 60
MINUTES_OF_WEEK: Final = 7 * MINUTES
WEEK: Final = timedelta(days=7)
EARLIEST: Final = date(2000, 1, 1)
LATEST: Final = date(2100, 1, 1)
_WINDOW: Final = re.compile(r"(?:(?P<days>[a-z]{3}(?:[,-][a-z]{3})*) +)?(?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d)")
_TIME_WANTED: Final = "expected gate.windows like '22:00-06:00', 'sat 08:00-12:00' or 'mon-fri,sun 00:00-24:00'"
_DATE_WANTED: Final = "expected gate.blackouts like '2026-12-24' or '2026-12-24/2027-01-01'"


@dataclass(frozen=True, slots=True)
class Window:
    """A time of day on some days of the week (0 is Monday); minutes from midnight, `end` left out.

    One that runs past midnight belongs to the day on which it begins, and ends after 1,440.
    """

    days: frozenset[int]
    start: int
    end: int

    def holds(self, wall: datetime) -> bool:
        """Tell whether it is open at a wall clock's time."""
        minute, today = wall.hour * 60 + wall.minute, wall.weekday()
        from_yesterday = (today - 1) % len(DAYS) in self.days and minute + MINUTES < self.end
        return from_yesterday or (today in self.days and self.start <= minute < self.end)

    def minutes_to_start(self, wall: datetime) -> int:
        """Give the minutes from the one that a wall clock shows to the next in which this begins: 1 to 10,080."""
        minute = wall.weekday() * MINUTES + wall.hour * 60 + wall.minute
        return min((day * MINUTES + self.start - minute - 1) % MINUTES_OF_WEEK + 1 for day in self.days)


@dataclass(frozen=True, slots=True)
class Blackout:
    """Days on which nothing goes, the last one included."""

    first: date
    last: date

    def holds(self, wall: datetime) -> bool:
        """Tell whether a wall clock's time falls on one of its days."""
        return self.first <= wall.date() <= self.last


@dataclass(frozen=True, slots=True)
class Opening:
    """When something may go: in one of the windows (at any time where there are none) and on no blackout's day."""

    windows: tuple[Window, ...] = ()
    blackouts: tuple[Blackout, ...] = ()

    def holds(self, at: datetime, zone: tzinfo) -> bool:
        """Tell whether something may go at a moment."""
        return self._closed_until(wall_of(at, zone)) is None

    def look_again(self, at: datetime, zone: tzinfo) -> datetime | None:
        """Give a moment before which nothing may go, for one at which nothing may; None where something may.

        It is never later than the first moment at which something may go.
        """
        wall = wall_of(at, zone)
        until = self._closed_until(wall)
        return None if until is None else even_until(at, min(until - wall, WEEK), zone)

    def _closed_until(self, wall: datetime) -> datetime | None:
        blackout = next((each for each in self.blackouts if each.holds(wall)), None)
        if blackout:
            return datetime.combine(blackout.last + timedelta(days=1), datetime.min.time())
        if not self.windows or any(each.holds(wall) for each in self.windows):
            return None
        minutes = min(each.minutes_to_start(wall) for each in self.windows)
        return wall.replace(second=0, microsecond=0) + timedelta(minutes=minutes)


def wall_of(at: datetime, zone: tzinfo) -> datetime:
    """Give what a wall clock in a time zone shows, without the zone: times that carry one compare by the clock alone,
    so moments are kept in UTC here.
    """
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def even_until(at: datetime, ahead: timedelta, zone: tzinfo) -> datetime:
    """Give the moment so far ahead by the wall clock; the one at which the clock is put forward or back, if that is
    earlier. Up to there it runs evenly.
    """
    offset, even, late = at.astimezone(zone).utcoffset(), at, at + ahead
    if late.astimezone(zone).utcoffset() == offset:
        return late
    while late - even > timedelta(seconds=1):
        middle = even + (late - even) / 2
        even, late = (middle, late) if middle.astimezone(zone).utcoffset() == offset else (even, middle)
    return late.replace(microsecond=0)


@lru_cache(maxsize=256)
def opening_of(windows: tuple[str, ...], blackouts: tuple[str, ...]) -> Opening:
    """Read windows and blackouts; raises InvalidPlan with the one that nobody can read."""
    return Opening(tuple(map(window_of, windows)), tuple(map(blackout_of, blackouts)))


def window_of(text: str) -> Window:
    """Read a window: '22:00-06:00', 'sat 08:00-12:00', 'mon-fri,sun 00:00-24:00'; raises InvalidPlan."""
    found = _WINDOW.fullmatch(text.strip().lower())
    if found is None:
        raise InvalidPlan(f"{_TIME_WANTED}, got {text!r}")
    start, end = _minute(found["start"], text), _minute(found["end"], text)
    if start in (end, MINUTES):
        raise InvalidPlan(f"{_TIME_WANTED}, got {text!r}, which is never open; a whole day is 00:00-24:00")
    return Window(_days(found["days"], text), start, end if end > start else end + MINUTES)


def _minute(text: str, window: str) -> int:
    hour, minute = map(int, text.split(":"))
    if minute > 59 or hour * 60 + minute > MINUTES:  # noqa: PLR2004 - an hour's last minute
        raise InvalidPlan(f"{_TIME_WANTED}, got {window!r}, whose {text} is no time of day")
    return hour * 60 + minute


def _days(text: str | None, window: str) -> frozenset[int]:
    found: set[int] = set()
    for term in (text or "mon-sun").split(","):
        first, _, last = term.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            raise InvalidPlan(f"{_TIME_WANTED}, got {window!r}, whose {term!r} are no days of the week")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found |= {day % len(DAYS) for day in range(begin, end + 1 if end >= begin else end + 1 + len(DAYS))}
    return frozenset(found)


def blackout_of(text: str) -> Blackout:
    """Read a blackout: a date, or the first and the last one of a range with '/' between; raises InvalidPlan."""
    first, _, last = text.strip().partition("/")
    try:
        found = Blackout(date.fromisoformat(first), date.fromisoformat(last or first))
    except ValueError as error:
        raise InvalidPlan(f"{_DATE_WANTED}, got {text!r}: {error}") from error
    if not EARLIEST <= found.first <= found.last <= LATEST:
        raise InvalidPlan(f"{_DATE_WANTED}, in order and between {EARLIEST:%Y} and {LATEST:%Y}, got {text!r}")
    return found
