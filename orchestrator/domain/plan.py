"""The plan: what to do with an incident, as a frozen value. A workflow or a person makes it, a release does it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.errors import InvalidPlan
from orchestrator.domain.schedule import Schedule, check_schedule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.domain.routes.constraints import Constraints

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
    """How fast a release goes once its canary has come back: redrives in flight at any moment.

    A failure whose redrives failed `tries_each` times while others went well is given to a person.
    """

    in_flight: int = 20
    tries_each: int = 10


@dataclass(frozen=True, slots=True)
class Gate:
    """When held failures may go: a canary first after `first_after` seconds, then at a distance that grows by `factor`
    up to `max_distance` seconds, `max_tries` canaries in a row; or not before `at`; or at the times of a schedule only.
    """

    first_after: float = 1.0
    factor: float = 2.0
    max_distance: float = 300.0
    max_tries: int = 20
    at: datetime | None = None
    schedule: Schedule | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Where a rerouted task goes: a queue of the same bus, or an exchange with a routing key, and the keyword arguments
    that it gets there in place of its own; with arguments alone it stays where it was published.

    With `table` each failure goes to a target of the table of routes, under these constraints beside the table's own,
    and to `hop_limit` targets at most, where the table does not say fewer.
    """

    queue: str | None = None
    exchange: str | None = None
    routing_key: str | None = None
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    table: bool = False
    constraints: Constraints | None = None
    hop_limit: int | None = None

    @property
    def place(self) -> tuple[str, str] | None:
        """Give exchange and routing key; None where the task stays where it was published."""
        if self.exchange is not None:
            return self.exchange, self.routing_key or ""
        return None if self.queue is None else ("", self.queue)


@dataclass(frozen=True, slots=True)
class Plan:
    """The decision. `execution_id` is the StackStorm execution that made it; None when a person or the built-in did.

    `built_in`: nobody decided; it stands in for the rules while StackStorm cannot be reached. `edits` are values that a
    person gives for arguments, in place of each task's own (orchestrator/domain/edits.py).
    """

    name: PlanName
    reason: str
    route: Route | None = None
    pace: Pace = field(default_factory=Pace)
    gate: Gate = field(default_factory=Gate)
    execution_id: str | None = None
    built_in: bool = False
    edits: Mapping[str, Any] = field(default_factory=dict)

    @property
    def redrives(self) -> bool:
        """Tell whether this plan publishes tasks again."""
        return self.name in REDRIVING


def check(plan: Plan) -> None:
    """Refuse a plan that nobody could carry out; raises InvalidPlan saying which field is wrong."""
    _check_route(plan)
    if plan.name is PlanName.CRON_BACKOFF and plan.gate.schedule is None:
        raise InvalidPlan("expected gate.cron for the plan 'cron_backoff', got none; give a five-field cron expression")
    if plan.pace.in_flight < 1 or plan.pace.tries_each < 1:
        raise InvalidPlan(
            "expected pace.in_flight and pace.tries_each of at least 1, "
            f"got {plan.pace.in_flight} and {plan.pace.tries_each}"
        )
    _check_gate(plan.gate)


def _check_route(plan: Plan) -> None:
    route = plan.route
    if route is None:
        if plan.name is PlanName.REROUTE:
            raise InvalidPlan("expected route.queue for the plan 'reroute', got none; name the queue to publish to")
        return
    if (route.exchange is None) != (route.routing_key is None) or (route.queue and route.exchange is not None):
        raise InvalidPlan("expected route.queue, or route.exchange with route.routing_key; give one place")
    fixed = route.place is not None or bool(route.kwargs)
    if fixed == route.table:
        raise InvalidPlan("expected route.queue, route.exchange or route.kwargs, or else route.table; give one of them")
    if not route.table and (route.constraints is not None or route.hop_limit is not None):
        raise InvalidPlan(
            "expected route.constraints and route.hop_limit with route.table only; a fixed place has none"
        )


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
    if gate.schedule:
        check_schedule(gate.schedule, gate.max_tries)
