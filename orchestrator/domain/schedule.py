"""A schedule: tries at the times of a cron expression, in windows and on no blackout day; and what a missed one means.

Where the next time of an expression lies is asked of `Times`, so that nothing here reads cron or a time zone.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from orchestrator.domain.errors import InvalidPlan
from orchestrator.domain.windows import opening_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime, tzinfo

# How far ahead a time is looked for: leap days and rare weekdays come within it.
HORIZON: Final = timedelta(days=5 * 366)
# Missed times that are made up for at most: the last ones.
MOST_CAUGHT_UP: Final = 24
MOST_WINDOWS: Final = 20
MOST_BLACKOUTS: Final = 400
MOST_RUNGS: Final = 10
# Times of an expression that one search meets closed; two a day for as long as it looks.
MOST_CLOSED: Final = 4_000
LONGEST_CRON: Final = 200
LONGEST_GRACE: Final = 86_400
GRACE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Times:
    """What knows of cron and of a time zone: `following` gives the next time of an expression after a moment, None for
    one that never comes. All moments are in UTC.
    """

    zone: tzinfo
    following: Callable[[str, datetime], datetime | None]


class Misfire(StrEnum):
    """What becomes of times at which nobody was there to try: one try for all of them, none, or one for each."""

    FIRE_ONCE = "fire_once"
    SKIP = "skip"
    CATCH_UP = "catch_up"


@dataclass(frozen=True, slots=True)
class Rung:
    """Another expression, from so many failed tries on."""

    after: int
    cron: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """When tries are made. `windows` and `blackouts` are read by the wall clock of `timezone` (domain/windows.py).

    A time that is used `grace` seconds late or less was not missed.
    """

    cron: str
    timezone: str = "UTC"
    windows: tuple[str, ...] = ()
    blackouts: tuple[str, ...] = ()
    ladder: tuple[Rung, ...] = ()
    misfire: Misfire = Misfire.FIRE_ONCE
    grace: float = GRACE

    @property
    def catches_up(self) -> bool:
        """Tell whether each missed time is made up for."""
        return self.misfire is Misfire.CATCH_UP


def cron_of(schedule: Schedule, tries: int) -> str:
    """Give the expression that holds after so many failed tries: the last rung that they reach."""
    return next((rung.cron for rung in reversed(schedule.ladder) if rung.after <= tries), schedule.cron)


def open_at(schedule: Schedule, at: datetime, zone: tzinfo) -> bool:
    """Tell whether windows and blackouts let anything go at a moment."""
    return opening_of(schedule.windows, schedule.blackouts).holds(at, zone)


def next_time(schedule: Schedule, tries: int, after: datetime, times: Times) -> datetime | None:
    """Give the first time after a moment; None where none comes within HORIZON.

    Where it is closed the search goes on when it opens, MOST_CLOSED times at most.
    """
    cron, opening = cron_of(schedule, tries), opening_of(schedule.windows, schedule.blackouts)
    at = times.following(cron, after)
    for _ in range(MOST_CLOSED):
        if at is None or at > after + HORIZON:
            return None
        again = opening.look_again(at, times.zone)
        if again is None:
            return at
        at = times.following(cron, max(at, again - timedelta(seconds=1)))
    return None


def gate_of_late(schedule: Schedule, tries: int, gate_at: datetime, now: datetime, times: Times) -> datetime | None:
    """Give the gate of a release whose time has come: as it was, or later where the try is not to be made now.

    A time is missed when it is used more than `grace` late: one try is made for all that were, or none, or one for
    each of the last MOST_CAUGHT_UP. Nothing goes while it is closed: the next time makes up for it.
    """
    if not open_at(schedule, now, times.zone):
        return next_time(schedule, tries, now, times)
    if now - gate_at <= timedelta(seconds=schedule.grace) or schedule.misfire is Misfire.FIRE_ONCE:
        return gate_at
    if schedule.misfire is Misfire.SKIP:
        return next_time(schedule, tries, now, times)
    return _last_missed(schedule, tries, gate_at, now, times)


def _last_missed(schedule: Schedule, tries: int, gate_at: datetime, now: datetime, times: Times) -> datetime:
    """Give the first of the missed times that are made up for, looking back in steps that double."""
    back = timedelta(hours=1)
    while True:
        start = max(gate_at, now - back)
        missed = deque(_between(schedule, tries, start, now, times), maxlen=MOST_CAUGHT_UP)
        if len(missed) == MOST_CAUGHT_UP:
            return max(gate_at, missed[0])
        if start == gate_at:
            return gate_at
        back *= 2


def _between(schedule: Schedule, tries: int, start: datetime, end: datetime, times: Times) -> Iterator[datetime]:
    at = next_time(schedule, tries, start, times)
    while at is not None and at <= end:
        yield at
        at = next_time(schedule, tries, at, times)


def check_schedule(schedule: Schedule, max_tries: int) -> None:
    """Refuse a schedule that nobody could keep to; raises InvalidPlan with the field that is wrong."""
    _check_sizes(schedule)
    opening_of(schedule.windows, schedule.blackouts)
    steps = [0, *(rung.after for rung in schedule.ladder), max_tries]
    if any(later <= earlier for earlier, later in pairwise(steps)):
        raise InvalidPlan(
            f"expected gate.ladder with 'after' from 1, growing, and below gate.max_tries, got {steps[1:-1]} "
            f"and max_tries {max_tries}; a rung that is not below it is never reached"
        )
    if not 0 <= schedule.grace <= LONGEST_GRACE:
        raise InvalidPlan(
            f"expected gate.misfire_grace_seconds from 0 to {LONGEST_GRACE}, got {schedule.grace}; "
            "it is how late a time may be used and is not missed"
        )


def _check_sizes(schedule: Schedule) -> None:
    crons = (schedule.cron, *(rung.cron for rung in schedule.ladder))
    sizes = [
        ("windows", len(schedule.windows), MOST_WINDOWS),
        ("blackouts", len(schedule.blackouts), MOST_BLACKOUTS),
        ("ladder", len(schedule.ladder), MOST_RUNGS),
    ]
    for name, size, most in sizes:
        if size > most:
            raise InvalidPlan(f"expected at most {most} gate.{name}, got {size}")
    if max(map(len, crons)) > LONGEST_CRON:
        raise InvalidPlan(f"expected cron expressions of at most {LONGEST_CRON} characters, got {max(map(len, crons))}")
