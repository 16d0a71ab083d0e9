"""Reconcile: what a crash left half done. An attempt without a publish is published under its own id; one without an
outcome is given up as lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from orchestrator.domain.attempts import Outcome
from orchestrator.domain.commands import Mode
from orchestrator.domain.dependencies import Policies
from orchestrator.domain.failures import FailureState
from orchestrator.domain.gates import barred
from orchestrator.domain.moment import Moment
from orchestrator.flows.outcomes import end_unexplained, record_outcome
from orchestrator.flows.publishing import Publishing, redrive_of
from orchestrator.flows.rerouting import leaned_on, route_of_attempt

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from orchestrator.domain.attempts import Attempt
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import Ledger, LedgerTx
    from orchestrator.domain.ports import Redriver
    from orchestrator.domain.redrives import Redrive

BATCH = 100


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Mends what was left. `outcome_grace` and `outcome_timeout` are seconds."""

    ledger: Ledger
    redriver: Redriver
    clock: Callable[[], datetime]
    jitter: Callable[[], float]
    default_mode: Mode
    outcome_grace: float
    outcome_timeout: float
    policies: Policies = field(default_factory=Policies)

    def run_once(self) -> int:
        """Mend what is due; gives the number of attempts touched."""
        return self._publish_again() + self._end_unexplained() + self._give_up_lost()

    def _publish_again(self) -> int:
        before = self.clock() - timedelta(seconds=self.outcome_grace)
        with self.ledger.reading() as tx:  # most often nothing is due: then nobody waits for this
            if not tx.unpublished(before, 1):
                return 0
        with self.ledger.transaction() as tx:
            if (tx.mode() or self.default_mode) is not Mode.ACT:
                return 0
            due = [self._redrive(tx, attempt) for attempt in tx.unpublished(before, BATCH)]
        publishing = Publishing(self.ledger, self.redriver, self.clock, self.jitter, self.policies)
        return publishing.publish([each for each in due if each])

    def _end_unexplained(self) -> int:
        now = self.clock()
        before = now - timedelta(seconds=self.outcome_grace)
        with self.ledger.reading() as tx:
            if not tx.unexplained(before, 1):
                return 0
        with self.ledger.transaction() as tx:
            return end_unexplained(tx, before, BATCH, Moment(now, self.jitter(), self.policies))

    def _give_up_lost(self) -> int:
        now = self.clock()
        before = now - timedelta(seconds=self.outcome_timeout)
        outcome = Outcome(failed_with=f"no outcome within {self.outcome_timeout:.0f} s", lost=True)
        with self.ledger.reading() as tx:
            if not tx.without_outcome(before, 1):
                return 0
        with self.ledger.transaction() as tx:
            lost = tx.without_outcome(before, BATCH)
            for attempt in lost:
                record_outcome(tx, attempt.id, outcome, Moment(now, self.jitter(), self.policies))
        return len(lost)

    def _redrive(self, tx: LedgerTx, attempt: Attempt) -> Redrive | None:
        stored = tx.failure(attempt.failure_id)
        release = tx.release(attempt.release_id)
        if stored is None or release is None:
            return None
        if stored.state is FailureState.RELEASED:
            incident = tx.incident(stored.incident_id)
            if not release.forced and self._kept_back(tx, attempt, incident):
                return None
            route = route_of_attempt(attempt, release.plan)
            return redrive_of(attempt.id, stored.failure, incident, route, release.plan)
        if stored.state is FailureState.REDELIVERY_PENDING:
            return None  # its message is the broker's, so it was published
        needless = Outcome(failed_with=f"not published: the failure is {stored.state} meanwhile", lost=True)
        record_outcome(tx, attempt.id, needless, Moment(self.clock(), self.jitter(), self.policies))
        return None

    def _kept_back(self, tx: LedgerTx, attempt: Attempt, incident: Incident | None) -> bool:
        """Tell whether a person or a Retry-After wants nothing to go where this attempt is to go."""
        name = leaned_on(attempt, incident.dependency) if incident else None
        dependency = tx.dependency(name) if name else None
        return dependency is not None and barred(dependency, self.clock()) is not None
