"""When timers fire: pure functions of the timer's parameters, the time and, for an interval, when it fired last.

A cron timer follows the wall clock of its zone. A time of day that the clock skips in spring counts as though the clock
had not been moved (02:30 is then shown as 03:30); one that it shows twice in autumn is two times.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import dateutil.parser  # type: ignore[import-untyped]  # its stubs are a package that nothing else needs

from orchestrator.stackstorm.embedded.content.triggers import CRON, DATE, INTERVAL
from orchestrator.stackstorm.embedded.rules import cron

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECOND: Final = timedelta(seconds=1)
_PROBE: Final = timedelta(days=7)
# No zone has moved its clocks by more than this at once.
_LARGEST_TURN: Final = timedelta(days=1)


class TimerError(ValueError):
    """Parameters that no timer can follow; `key` names the one."""

    def __init__(self, key: str, expected: str) -> None:
        super().__init__(expected)
        self.key = key


@dataclass(frozen=True, slots=True)
class Interval:
    """Fires every `delta`, first a `delta` after it began."""

    delta: timedelta


@dataclass(frozen=True, slots=True)
class Date:
    """Fires once."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Cron:
    """Fires whenever the wall clock of `zone` fits the fields."""

    fields: tuple[cron.Field, ...]
    zone: tzinfo


Timer = Interval | Date | Cron


def parse(kind: str, parameters: Mapping[str, Any]) -> Timer:
    """Read the parameters of a timer trigger that fit its type's schema; raises TimerError."""
    zone = _zone(parameters.get("timezone"))
    if kind == INTERVAL:
        return Interval(_delta(parameters["unit"], parameters["delta"]))
    if kind == DATE:
        return Date(_date(parameters["date"], zone))
    if kind != CRON:
        raise TimerError("type", f"expected one of {INTERVAL}, {DATE}, {CRON}, got {kind!r}")
    try:
        return Cron(cron.parse(parameters), zone)
    except cron.CronError as error:
        raise TimerError(error.field, str(error)) from None


def next_fire(timer: Timer, after: datetime, previous: datetime | None = None) -> datetime | None:
    """Give the first time after `after` at which it fires, in UTC; None where there is none.

    `previous` is when an interval was to fire last: it keeps its pace from there on. What lies beyond the year 9999 is
    never.
    """
    if isinstance(timer, Interval):
        start = after if previous is None else previous
        try:
            return start + timer.delta * max(1, (after - start) // timer.delta + 1)
        except OverflowError:
            return None
    if isinstance(timer, Date):
        return timer.at if timer.at > after else None
    return _next_match(timer, after)


def _next_match(timer: Cron, after: datetime) -> datetime | None:
    """Look through the stretches of time between two turns of the clock, in each of which wall time is plain."""
    begin = after.astimezone(UTC).replace(microsecond=0) + _SECOND
    start = begin - _LARGEST_TURN
    best: datetime | None = None
    while True:
        offset = _offset(timer.zone, start)
        wall = cron.next_wall(timer.fields, (max(begin, start) + offset).replace(tzinfo=None))
        if wall is None:
            return best
        found = wall.replace(tzinfo=UTC) - offset
        turn = _next_turn(timer.zone, start, found if best is None else min(best, found))
        if turn is None:
            return found if best is None else min(best, found)
        skipped = max(_offset(timer.zone, turn) - offset, timedelta(0))
        if found < turn + skipped:
            best = found if best is None else min(best, found)
        start = turn


def _next_turn(zone: tzinfo, start: datetime, end: datetime) -> datetime | None:
    """Give the first second after `start`, up to `end`, from which the zone's offset is another."""
    offset = _offset(zone, start)
    while start < end:
        later = min(start + _PROBE, end)
        if _offset(zone, later) != offset:
            while later - start > _SECOND:
                middle = (start + (later - start) / 2).replace(microsecond=0)
                start, later = (middle, later) if _offset(zone, middle) == offset else (start, middle)
            return later
        start = later
    return None


def _offset(zone: tzinfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta(0)


def _delta(unit: str, number: int) -> timedelta:
    if number < 0:
        raise TimerError("delta", f"expected a number of {unit} above 0, got {number}")
    try:
        # An interval of nothing is one of a second, as APScheduler takes it.
        return timedelta(**{unit: number}) or _SECOND
    except OverflowError:
        raise TimerError("delta", f"expected a number of {unit} that a calendar can hold, got {number}") from None


def _date(text: str, zone: tzinfo) -> datetime:
    try:
        moment: datetime = dateutil.parser.parse(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise TimerError("date", f"expected a date and time such as 2030-01-31 12:00:00, got {text!r}") from None


def _zone(name: str | None) -> tzinfo:
    if not name:
        return _local_zone()
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise TimerError("timezone", f"expected a time zone such as Europe/Berlin, got {name!r}") from None


@cache
def _local_zone() -> tzinfo:
    """Give the zone of this machine, which timers without one follow."""
    name = os.environ.get("TZ", "").lstrip(":")
    if name:
        return _zone(name)
    try:
        with Path("/etc/localtime").open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return UTC
