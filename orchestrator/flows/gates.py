"""When a gate opens: after a distance that grows with each failed canary, at a time, or when a schedule says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from orchestrator.domain.errors import InvalidPlan
from orchestrator.domain.release import ReleaseState, distance
from orchestrator.domain.schedule import HORIZON, Times, cron_of, gate_of_late, next_time, open_at
from orchestrator.domain.windows import even_until, wall_of

if TYPE_CHECKING:
    from orchestrator.domain.moment import Moment
    from orchestrator.domain.plan import Plan
    from orchestrator.domain.release import Release
    from orchestrator.domain.schedule import Schedule

LEAST_JITTER = 0.5
CRON_FIELDS = 5


def check_times(plan: Plan, now: datetime) -> None:
    """Refuse a schedule with an expression that nobody can read, or that never comes; raises InvalidPlan."""
    if plan.gate.schedule:
        for tries in (0, *(rung.after for rung in plan.gate.schedule.ladder)):
            _next_of(plan.gate.schedule, tries, now)


def first_gate(plan: Plan, now: datetime) -> datetime:
    """Give the time of the first canary: the schedule's next one, the gate's own time, or after its first distance."""
    gate = plan.gate
    if gate.schedule:
        return time_after(gate.schedule, 0, now)
    if gate.at:
        return gate.at
    return now + timedelta(seconds=gate.first_after)


def next_gate(plan: Plan, tries: int, moment: Moment, missed_at: datetime | None = None) -> datetime:
    """Give the time of the next canary after `tries` of them failed.

    Jitter shortens a distance by up to half, so that releases that failed together do not return together. `missed_at`
    is the time at which this canary went: times between it and now are missed ones, and may be made up for.
    """
    schedule = plan.gate.schedule
    if schedule is None:
        return moment.at + distance(plan.gate, tries) * (LEAST_JITTER + LEAST_JITTER * moment.jitter)
    if missed_at and schedule.catches_up:
        return time_after(schedule, tries, min(missed_at, moment.at))
    return time_after(schedule, tries, moment.at)


def on_schedule(release: Release, now: datetime) -> Release:
    """Hold a release to its schedule, where it has one: a missed time is made up for or not, as its plan says; and what
    has not gone when the window closes waits for the next time.
    """
    schedule = release.plan.gate.schedule
    if schedule is None or now < release.gate_at or release.state is ReleaseState.CANARY:
        return release
    times = _times(schedule)
    if release.state is ReleaseState.RAMPING and open_at(schedule, now, times.zone):
        return release
    gate_at = gate_of_late(schedule, release.tries, release.gate_at, now, times)
    return replace(release, gate_at=gate_at or now + HORIZON)


def time_after(schedule: Schedule, tries: int, now: datetime) -> datetime:
    """Give the schedule's next time; the far end of the search where none comes, so that a release waits."""
    return next_time(schedule, tries, now, _times(schedule)) or now + HORIZON


def _next_of(schedule: Schedule, tries: int, now: datetime) -> None:
    cron = cron_of(schedule, tries)
    if next_time(schedule, tries, now, _times(schedule)) is None:
        beside = " with its windows and blackouts" if schedule.windows or schedule.blackouts else ""
        raise InvalidPlan(f"{_wanted(cron, schedule.timezone)}, which never comes{beside} within five years")


def _times(schedule: Schedule) -> Times:
    try:
        zone = ZoneInfo(schedule.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidPlan(f"{_wanted(schedule.cron, schedule.timezone)}: {error!r}") from error
    return Times(zone, partial(following, zone))


def _wanted(cron: str, timezone: str) -> str:
    return f"expected a five-field cron expression and a time zone, got {cron!r} in {timezone!r}"


def following(zone: ZoneInfo, cron: str, after: datetime) -> datetime | None:
    """Give the next time of a cron expression in a time zone, in UTC as `after` is; None for one that never comes.

    As Debian's cron has it: a time of day that daylight saving skips comes when the clock has been put forward, one
    that it repeats comes once, and intervals run on. Raises InvalidPlan.
    """
    fields = cron.split()
    if len(fields) != CRON_FIELDS:
        raise InvalidPlan(_wanted(cron, zone.key))  # a sixth field would count seconds
    interval = fields[0].startswith("*") or fields[1].startswith("*")
    try:
        return _next_of_interval(zone, cron, after) if interval else _next_of_day(zone, cron, after)
    except (CronSimError, ValueError) as error:
        raise InvalidPlan(f"{_wanted(cron, zone.key)}: {error!r}") from error
    except (StopIteration, OverflowError):
        return None


def _next_of_day(zone: ZoneInfo, cron: str, after: datetime) -> datetime:
    # While the clock shows an hour for the second time, cronsim begins with its first.
    found = (at.astimezone(UTC) for at in CronSim(cron, after.astimezone(zone)))
    return next(at for at in found if at > after)


def _next_of_interval(zone: ZoneInfo, cron: str, after: datetime) -> datetime:
    # By the bare wall clock, from change to change: cronsim walks hours, and loses one where clocks move by half of it.
    start, wall = after, wall_of(after, zone)
    while True:
        due = next(CronSim(cron, wall))
        at = even_until(start, due - wall_of(start, zone), zone)
        if wall_of(at, zone) == due:
            return at
        start, wall = at, wall_of(at, zone) - timedelta(seconds=1)
