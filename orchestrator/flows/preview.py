"""The dry run of a command to redrive: what would go and what would not, what it would wait for, what may run twice.

Nothing is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from orchestrator.domain.dependencies import Policies
from orchestrator.domain.eligibility import expired, refuse_not_redrivable
from orchestrator.domain.errors import Conflict, NotFound, NotRedrivable
from orchestrator.domain.failures import FailureState
from orchestrator.domain.plan import check
from orchestrator.domain.routes.table import RouteTable
from orchestrator.flows.detours import health_of
from orchestrator.flows.obstacles import obstacles
from orchestrator.flows.recovery import asked_for, refuse_unmovable
from orchestrator.flows.rerouting import Router

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.routes.decisions import Decision
    from orchestrator.domain.standing import StoredFailure
    from orchestrator.flows.recovery import RetryRequest

# Failures of a large incident that are looked at one by one.
LOOKED_AT: Final = 1_000
OVER: Final = frozenset({FailureState.RECOVERED, FailureState.DISCARDED})
DECLARE: Final = (
    "{task} is not declared idempotent: it is redriven on a person's word alone, once for each command, and what "
    "it did before it failed it does again; where that does no harm, declare it: "
    "@app.task(redrive={{'idempotent': True}})"
)


@dataclass(frozen=True, slots=True)
class Refused:
    """One failure that would not go, and why."""

    stored: StoredFailure
    why: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a command would do. `refused` names some of the `not_eligible`; `decision` is that of the first to go."""

    incident: Incident
    eligible: int
    not_eligible: int
    refused: tuple[Refused, ...]
    waits_for: tuple[str, ...]
    duplicates: tuple[str, ...]
    decision: Decision | None = None


@dataclass(frozen=True, slots=True)
class Previewer:
    """Looks at what a command would meet, within one transaction that reads."""

    tx: LedgerTx
    now: datetime
    keys_known: bool = False
    policies: Policies = field(default_factory=Policies)
    routes: RouteTable = field(default_factory=RouteTable)

    def preview(self, request: RetryRequest) -> Preview:
        """Look; raises NotFound, and InvalidPlan for a route that is none."""
        check(request.plan(once=False))
        if request.incident_id is None:
            return self._of_one(request, asked_for(self.tx, request))
        incident = self.tx.incident(request.incident_id)
        if incident is None:
            raise NotFound("incident", str(request.incident_id))
        return self._of_all(request, incident)

    def _of_one(self, request: RetryRequest, stored: StoredFailure) -> Preview:
        incident = self.tx.incident(stored.incident_id)
        if incident is None:
            raise NotFound("incident", str(stored.incident_id))
        refused = self._refused([stored])
        twice = () if stored.idempotent else (DECLARE.format(task=stored.failure.task),)
        found = Preview(incident, 1 - len(refused), len(refused), refused, self._waits_for(incident), twice)
        return self._decided(request, found, stored)

    def _of_all(self, request: RetryRequest, incident: Incident) -> Preview:
        states = self.tx.states_of(incident.id)
        left = sum(count for state, count in states.items() if state not in OVER)
        takable = states.get(FailureState.HELD, 0) + states.get(FailureState.DEAD, 0) - self.tx.asked_for(incident.id)
        looked_at = [each for each in self.tx.failures_of(incident.id, LOOKED_AT) if each.state not in OVER]
        refused = self._refused(looked_at)
        not_redrivable = sum(isinstance(self._why(each), NotRedrivable) for each in looked_at)
        eligible = max(0, takable - not_redrivable)
        twice = tuple(DECLARE.format(task=task) for task in sorted(self.tx.tasks_waiting(incident.id)))
        found = Preview(incident, eligible, left - eligible, refused, self._waits_for(incident), twice)
        names = {each.stored.failure.id for each in refused}
        first = next((each for each in looked_at if each.failure.id not in names), None)
        return self._decided(request, found, first)

    def _refused(self, looked_at: list[StoredFailure]) -> tuple[Refused, ...]:
        judged = [(each, self._why(each)) for each in looked_at]
        return tuple(Refused(each, str(why)) for each, why in judged if why)

    def _why(self, stored: StoredFailure) -> Conflict | NotRedrivable | None:
        try:
            refuse_unmovable(self.tx, stored)
            refuse_not_redrivable(stored.failure.message, keys_known=self.keys_known)
        except (Conflict, NotRedrivable) as why:
            return why
        late = expired(stored.failure.message, self.now)
        return NotRedrivable(late) if late else None

    def _waits_for(self, incident: Incident) -> tuple[str, ...]:
        return obstacles(self.tx, incident, self.policies, self.now)

    def _decided(self, request: RetryRequest, found: Preview, stored: StoredFailure | None) -> Preview:
        if request.route is None or stored is None:
            return found
        router = Router(self.tx, self.routes, self.now, health_of(self.tx, self.policies, self.now))
        return replace(found, decision=router.decide(stored, request.plan(once=False)))
