"""The plan: what to do with an incident, as a frozen value. A workflow or a person makes it, a release does it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from orchestrator.domain.errors import InvalidPlan

LARGEST_FACTOR: Final = 100
LONGEST_SECONDS: Final = 30 * 86_400
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)


class PlanName(StrEnum):
    """What can be done with an incident."""

    RETRY = "retry"
    REROUTE = "reroute"
    CRON_BACKOFF = "cron_backoff"
    ESCALATE = "escalate"
    IGNORE = "ignore"


REDRIVING = frozenset({PlanName.RETRY, PlanName.REROUTE, PlanName.CRON_BACKOFF})


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a release goes once its canary has come back: redrives in flight at any moment."""

    in_flight: int = 20


@dataclass(frozen=True, slots=True)
class Gate:
    """When held failures may go: a canary first after `first_after` seconds, then at a distance that grows by `factor`
    up to `max_distance` seconds, `max_tries` canaries in a row; or not before `at`; or when a cron expression says.
    """

    first_after: float = 1.0
    factor: float = 2.0
    max_distance: float = 300.0
    max_tries: int = 20
    at: datetime | None = None
    cron: str | None = None
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Route:
    """Where a rerouted task goes: a queue that exists on the same bus."""

    queue: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The decision. `execution_id` is the StackStorm execution that made it; None when a person or the built-in did."""

    name: PlanName
    reason: str
    route: Route | None = None
    pace: Pace = field(default_factory=Pace)
    gate: Gate = field(default_factory=Gate)
    execution_id: str | None = None

    @property
    def redrives(self) -> bool:
        """Tell whether this plan publishes tasks again."""
        return self.name in REDRIVING


def check(plan: Plan) -> None:
    """Refuse a plan that nobody could carry out; raises InvalidPlan saying which field is wrong."""
    if plan.name is PlanName.REROUTE and plan.route is None:
        raise InvalidPlan("expected route.queue for the plan 'reroute', got none; name the queue to publish to")
    if plan.name is PlanName.CRON_BACKOFF and not plan.gate.cron:
        raise InvalidPlan("expected gate.cron for the plan 'cron_backoff', got none; give a five-field cron expression")
    if plan.pace.in_flight < 1:
        raise InvalidPlan(f"expected pace.in_flight of at least 1, got {plan.pace.in_flight}")
    _check_gate(plan.gate)


def _check_gate(gate: Gate) -> None:
    if gate.max_tries < 1 or not 1 <= gate.factor <= LARGEST_FACTOR:
        raise InvalidPlan(f"expected gate.max_tries >= 1 and gate.factor from 1 to {LARGEST_FACTOR}")
    if not 0 <= gate.first_after <= LONGEST_SECONDS or not 0 < gate.max_distance <= LONGEST_SECONDS:
        raise InvalidPlan(
            f"expected gate.first_after_seconds and gate.max_distance_seconds from 0 to {LONGEST_SECONDS}, "
            f"got {gate.first_after} and {gate.max_distance}"
        )
    if gate.at and not EARLIEST <= gate.at <= LATEST:
        raise InvalidPlan(f"expected gate.at between {EARLIEST:%Y} and {LATEST:%Y}, got {gate.at.isoformat()}")
