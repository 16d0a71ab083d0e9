"""The dry run of a command to redrive: what would go and what would not, what it would wait for, what may run twice.

Nothing is recorded. It counts in the ledger, however many failures are meant, and reads a few samples of each reason.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from orchestrator.domain.dependencies import Policies
from orchestrator.domain.errors import Conflict, NotFound, NotRedrivable
from orchestrator.domain.estimates import Load, seconds_of
from orchestrator.domain.plan import Plan, check
from orchestrator.domain.recoveries import Order
from orchestrator.domain.routes.table import RouteTable
from orchestrator.domain.searching import Found, Judging, Why
from orchestrator.domain.selection import Selection
from orchestrator.flows.auditing import refuse_outdated
from orchestrator.flows.bulk.commanding import refuse_too_many, waits_for
from orchestrator.flows.bulk.edits import judged_by_edits
from orchestrator.flows.bulk.loads import Loads
from orchestrator.flows.bulk.reasons import told
from orchestrator.flows.bulk.single import asked_for, refuse
from orchestrator.flows.detours import health_of
from orchestrator.flows.gates import check_times
from orchestrator.flows.predicting import Predicted, Predictor
from orchestrator.flows.rerouting import Router

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.routes.decisions import Decision
    from orchestrator.domain.standing import StoredFailure
    from orchestrator.flows.bulk.asking import RetryRequest

SAMPLES: Final = 5
# Incidents that are shown one by one; failures of all are counted.
MOST_SHOWN: Final = 100
DECLARE: Final = (
    "not declared idempotent: {tasks}; each is redriven on a person's word alone, once for each command, and does "
    "again what it did before it failed; where that does no harm, declare it: @app.task(redrive={{'idempotent': True}})"
)


@dataclass(frozen=True, slots=True)
class Refused:
    """One failure that would not go, and why."""

    stored: StoredFailure
    why: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why so many would not go, with some of them."""

    why: str
    count: int
    samples: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """What a command would do. `incidents` are those that something would go of, with how much; `decision` is that of
    the first to go.
    """

    eligible: int
    reasons: tuple[Reason, ...]
    incidents: tuple[tuple[Incident, int], ...]
    waits_for: tuple[str, ...]
    duplicates: tuple[str, ...]
    incident: Incident | None = None
    decision: Decision | None = None
    prediction: Predicted | None = None
    loads: tuple[Load, ...] = ()
    seconds: float | None = None
    seconds_says: str = ""

    @property
    def not_eligible(self) -> int:
        """Count those that would not go."""
        return sum(each.count for each in self.reasons)

    @property
    def refused(self) -> tuple[Refused, ...]:
        """Give some that would not go."""
        return tuple(sample for each in self.reasons for sample in each.samples)


@dataclass(frozen=True, slots=True)
class Previewer:
    """Looks at what a command would meet, within one transaction that reads."""

    tx: LedgerTx
    now: datetime
    keys_known: bool = False
    policies: Policies = field(default_factory=Policies)
    routes: RouteTable = field(default_factory=RouteTable)

    def preview(self, request: RetryRequest) -> Preview:
        """Look; raises as the command itself would, but for what it tells as not eligible."""
        plan = request.plan(once=False)
        check(plan)
        check_times(plan, self.now)
        selection, meant = self._meant(request)
        judging = Judging(self.now, self.keys_known)
        if request.edits:
            judging = judged_by_edits(self.tx, selection, request.edits, judging)
        counted = self.tx.survey(selection, judging)
        going = self._going(request, selection, judging, counted)
        found = self._found(selection, judging, counted, going)
        found = self._foretold(request, replace(found, incident=meant or _only(found)), plan)
        return self._decided(request, found, selection, judging)

    def _meant(self, request: RetryRequest) -> tuple[Selection, Incident | None]:
        """Give what is meant, and its incident, where it is one."""
        if request.single:
            stored = asked_for(self.tx, request)
            return Selection(ids=frozenset({stored.failure.id})), self.tx.incident(stored.incident_id)
        if request.incident_id is None:
            return request.meant(), None
        incident = self.tx.incident(request.incident_id)
        if incident is None:
            raise NotFound("incident", str(request.incident_id))
        refuse_outdated(self.tx, incident, request.revision)
        return request.meant(), incident

    def _going(
        self, request: RetryRequest, selection: Selection, judging: Judging, counted: Sequence[Found]
    ) -> list[Found]:
        able = [each for each in counted if each.why is None]
        if request.limit is None or request.limit >= sum(each.count for each in able):
            return able
        return self.tx.survey_first(selection, judging, request.limit, newest=request.order is Order.NEWEST)

    def _found(
        self, selection: Selection, judging: Judging, counted: Sequence[Found], going: Sequence[Found]
    ) -> Preview:
        by_incident: Counter[UUID] = Counter()
        twice: Counter[str] = Counter()
        for each in going:
            by_incident[each.incident_id] += each.count
            twice[each.task] += 0 if each.idempotent else each.count
        eligible = by_incident.total()
        refuse_too_many(by_incident)
        beyond = sum(each.count for each in counted if each.why is None) - eligible
        shown = [(self.tx.incident(each), count) for each, count in by_incident.most_common(MOST_SHOWN)]
        return Preview(
            eligible=eligible,
            reasons=(*self._reasons(selection, judging, counted), *_beyond(beyond)),
            incidents=tuple((incident, count) for incident, count in shown if incident),
            waits_for=waits_for(self.tx, dict(by_incident.most_common(MOST_SHOWN)), self.policies, self.now),
            duplicates=_duplicates(twice),
        )

    def _reasons(self, selection: Selection, judging: Judging, counted: Sequence[Found]) -> list[Reason]:
        counts: Counter[Why] = Counter()
        askers: Counter[UUID] = Counter()
        for each in counted:
            if each.why:
                counts[each.why] += each.count
            if each.why is Why.ASKED_FOR and each.asked_by:
                askers[each.asked_by] += each.count
        by = [each for each, _ in askers.most_common()]
        return [
            Reason(told(why, by), count, self._samples(selection, judging, why, told(why, by)))
            for why, count in counts.most_common()
        ]

    def _samples(self, selection: Selection, judging: Judging, why: Why, words: str) -> tuple[Refused, ...]:
        found = self.tx.sample(selection, judging, why, SAMPLES)
        return tuple(Refused(each, self._why(each, judging) or words) for each in found)

    def _why(self, stored: StoredFailure, judging: Judging) -> str | None:
        try:
            refuse(self.tx, stored, judging)
        except (Conflict, NotRedrivable) as why:
            return str(why)
        return None

    def _foretold(self, request: RetryRequest, found: Preview, plan: Plan) -> Preview:
        """Say how it would go, what it would add to what it leans on, and how long it would take."""
        predicted = Predictor(self.tx, self.policies, self.now).predict(found.incidents, forced=request.force)
        loads = Loads(self.tx, self.policies, self.now).of(found.incidents, plan, forced=request.force)
        seconds, says = seconds_of(loads, scheduled=plan.gate.schedule is not None)
        return replace(found, prediction=predicted, loads=loads, seconds=seconds, seconds_says=says)

    def _decided(self, request: RetryRequest, found: Preview, selection: Selection, judging: Judging) -> Preview:
        if request.route is None or not found.eligible:
            return found
        (stored,) = self.tx.sample(selection, judging, None, 1)
        router = Router(self.tx, self.routes, self.now, health_of(self.tx, self.policies, self.now))
        return replace(found, decision=router.decide(stored, request.plan(once=False)))


def _duplicates(counts: Counter[str]) -> tuple[str, ...]:
    """Say in one sentence of which tasks how many would go that may not run twice, the most first."""
    tasks = ", ".join(f"{task} {count:,}" for task, count in counts.most_common() if count)
    return (DECLARE.format(tasks=tasks),) if tasks else ()


def _beyond(count: int) -> tuple[Reason, ...]:
    return (Reason(told(Why.BEYOND_LIMIT), count),) if count else ()


def _only(found: Preview) -> Incident | None:
    return found.incidents[0][0] if len(found.incidents) == 1 else None
