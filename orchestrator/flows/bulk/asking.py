"""What a person asks for, as a value: which failures, by which plan, in which order and how many, and why."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.commands import CommandKind
from orchestrator.domain.failures import FailureState
from orchestrator.domain.plan import Gate, Pace, Plan, PlanName, Route
from orchestrator.domain.recoveries import Order
from orchestrator.domain.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

# A person who asks for a retry wants it now; the gate only spaces further tries.
BY_HAND: Final = Gate(first_after=1, factor=2, max_distance=300, max_tries=10)
# What is not over: a query or an incident means these, where it names no states.
NOT_OVER: Final = frozenset(FailureState) - {FailureState.RECOVERED, FailureState.DISCARDED}


@dataclass(frozen=True, slots=True)
class RetryRequest:
    """A failure (or the newest one of a task), all of an incident, or all that `selection` means, redriven, and why.

    It waits for its dependency's gate like all others, unless it is forced. With a `route` it goes elsewhere, with a
    `gate` that has a schedule at its times. `edits` are keyword arguments in the place of each task's own. `revision`
    is the one of the incident that it was decided on.
    """

    actor: str
    reason: str
    failure_id: UUID | None = None
    task_id: str | None = None
    force: bool = False
    incident_id: UUID | None = None
    route: Route | None = None
    selection: Selection | None = None
    gate: Gate | None = None
    pace: Pace | None = None
    order: Order = Order.OLDEST
    limit: int | None = None
    edits: Mapping[str, Any] = field(default_factory=dict)
    revision: int | None = None

    @property
    def kind(self) -> CommandKind:
        """Tell which command this is."""
        return CommandKind(str(self._name))

    @property
    def single(self) -> bool:
        """Tell whether it means one failure."""
        return self.incident_id is None and self.selection is None

    @property
    def _name(self) -> PlanName:
        if self.route:
            return PlanName.REROUTE
        return PlanName.CRON_BACKOFF if self.gate and self.gate.schedule else PlanName.RETRY

    def plan(self, *, once: bool) -> Plan:
        """Give the plan of its releases; `once`: a task that may not run twice runs once for each command."""
        gate = replace(self.gate or BY_HAND, max_tries=1) if once else self.gate or BY_HAND
        return Plan(
            self._name,
            f"{self.actor}: {self.reason}",
            self.route,
            pace=self.pace or Pace(),
            gate=gate,
            edits=dict(self.edits),
        )

    def meant(self) -> Selection:
        """Give the failures that are meant, where it is not one: what is over is not, unless its state is named."""
        selection = self.selection or Selection(incident_id=self.incident_id)
        return selection if selection.states or selection.ids else replace(selection, states=NOT_OVER)
