"""When a gate opens: after a distance that grows with each failed canary, at a time, or when a cron expression says."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from orchestrator.domain.errors import InvalidPlan
from orchestrator.domain.release import distance

if TYPE_CHECKING:
    from orchestrator.domain.moment import Moment
    from orchestrator.domain.plan import Gate, Plan

LEAST_JITTER = 0.5
CRON_FIELDS = 5


def first_gate(plan: Plan, now: datetime) -> datetime:
    """Give the time of the first canary; raises InvalidPlan for a cron expression or time zone that nobody can read."""
    gate = plan.gate
    if gate.cron:
        return next_cron(gate, now)
    if gate.at:
        return gate.at
    return now + timedelta(seconds=gate.first_after)


def next_gate(plan: Plan, tries: int, moment: Moment) -> datetime:
    """Give the time of the next canary after `tries` of them failed.

    Jitter shortens the distance by up to half, so that releases that failed together do not return together.
    """
    if plan.gate.cron:
        return next_cron(plan.gate, moment.at)
    return moment.at + distance(plan.gate, tries) * (LEAST_JITTER + LEAST_JITTER * moment.jitter)


def next_cron(gate: Gate, now: datetime) -> datetime:
    """Give the next time of a gate's cron expression in its time zone; raises InvalidPlan.

    A time that daylight saving skips comes when the clock has been put forward; one that it repeats comes once.
    """
    wanted = f"expected a five-field cron expression and a time zone, got {gate.cron!r} in {gate.timezone!r}"
    if len((gate.cron or "").split()) != CRON_FIELDS:
        raise InvalidPlan(wanted)  # a sixth field would count seconds
    try:
        return next(CronSim(gate.cron or "", now.astimezone(ZoneInfo(gate.timezone))))
    except (CronSimError, ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidPlan(f"{wanted}: {error!r}") from error
    except StopIteration as error:
        raise InvalidPlan(f"{wanted}, which never comes") from error
