"""When a cron expression, windows and blackouts let a try go, found out by walking every minute; shares no code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def numbers(field: str, low: int, high: int) -> set[int]:
    """Give the numbers of a field: `*`, `a`, `a-b`, each with a step, and lists of them."""
    found: set[int] = set()
    for term in field.split(","):
        span, _, step = term.partition("/")
        first, _, last = span.partition("-")
        begin, end = (low, high) if span == "*" else (int(first), int(last or (high if step else first)))
        found |= set(range(begin, end + 1, int(step or 1)))
    return found


@dataclass(frozen=True)
class Cron:
    """One expression."""

    text: str

    @cached_property
    def fields(self) -> list[set[int]]:
        """The numbers of the five fields."""
        ranges = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
        return [numbers(field, *bounds) for field, bounds in zip(self.text.split(), ranges, strict=True)]

    @cached_property
    def timed(self) -> bool:
        """Whether it names times of day, and no interval."""
        minute, hour, *_ = self.text.split()
        return not minute.startswith("*") and not hour.startswith("*")

    def matches(self, wall: datetime) -> bool:
        """Tell whether a wall clock's minute is one of its."""
        minutes, hours, days, months, weekdays = self.fields
        if wall.minute not in minutes or wall.hour not in hours:
            return False
        of_month, of_week = wall.day in days, bool({wall.isoweekday(), wall.isoweekday() % 7} & weekdays)
        both = any(self.text.split()[place].startswith("*") for place in (2, 4))
        day = of_month and of_week if both else of_month or of_week
        return wall.month in months and day


@lru_cache(maxsize=8)
def walls(zone: str, start: datetime, end: datetime) -> list[tuple[datetime, datetime, datetime]]:
    """Walk the minutes from start to end: each in UTC, by the zone's clock, and by that clock a minute before."""
    info, found, at = ZoneInfo(zone), [], start
    before = (at - MINUTE).astimezone(info)
    while at < end:
        local = at.astimezone(info)
        found.append((at, local, before))
        before, at = local, at + MINUTE
    return found


def fires(cron: Cron, local: datetime, before: datetime) -> bool:
    """Tell whether an expression fires at a minute, which follows the one `before`.

    A time of day that is skipped comes in the first minute that exists, and one that is repeated in its first showing.
    """
    wall = local.replace(tzinfo=None, fold=0)
    if not cron.timed:
        return cron.matches(wall)
    if local.fold:
        return False
    each = before.replace(tzinfo=None, fold=0) + MINUTE
    while each < wall:
        if cron.matches(each):
            return True
        each += MINUTE
    return cron.matches(wall)


def in_windows(windows: tuple[str, ...], wall: datetime) -> bool:
    """Tell whether a wall clock's minute lies in a window; without any, each does."""
    return not windows or any(_in_window(window, wall) for window in windows)


def _in_window(window: str, wall: datetime) -> bool:
    *days, span = window.split()
    start, end = span.split("-")
    clock, today = wall.strftime("%H:%M"), NAMES[wall.weekday()]
    yesterday = NAMES[wall.weekday() - 1]
    if start < end:
        return _named(days, today) and start <= clock < end
    return (_named(days, today) and clock >= start) or (_named(days, yesterday) and clock < end)


def _named(days: list[str], day: str) -> bool:
    if not days:
        return True
    for term in days[0].split(","):
        first, _, last = term.partition("-")
        place = NAMES.index(first)
        while NAMES[place % 7] != (last or first):
            if NAMES[place % 7] == day:
                return True
            place += 1
        if NAMES[place % 7] == day:
            return True
    return False


def in_blackout(blackouts: tuple[str, ...], wall: datetime) -> bool:
    """Tell whether a wall clock's minute falls on a day on which nothing goes."""
    day = wall.strftime("%Y-%m-%d")
    return any(span.split("/")[0] <= day <= span.split("/")[-1] for span in blackouts)


def times(
    crons: list[tuple[int, str]], zone: str, windows: tuple[str, ...], blackouts: tuple[str, ...], year: int
) -> list[datetime]:
    """List the times of a year; `crons` are (after so many tries, expression), in order, and each time fails."""
    ladder = [(after, Cron(text)) for after, text in crons]
    found: list[datetime] = []
    for at, local, before in walls(zone, datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)):
        cron = next(cron for after, cron in reversed(ladder) if after <= len(found))
        if fires(cron, local, before) and in_windows(windows, local) and not in_blackout(blackouts, local):
            found.append(at)
    return found
