"""Reconcile: what a crash left half done. An attempt without a publish is published under its own id; one without an
outcome is given up as lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from orchestrator.domain.attempts import Outcome
from orchestrator.domain.commands import Mode
from orchestrator.domain.failures import FailureState
from orchestrator.domain.moment import Moment
from orchestrator.flows.outcomes import record_outcome
from orchestrator.flows.publishing import Publishing, Redrive

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from orchestrator.domain.attempts import Attempt
    from orchestrator.domain.ledger import Ledger, LedgerTx
    from orchestrator.domain.ports import Redriver

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

    def run_once(self) -> int:
        """Mend what is due; gives the number of attempts touched."""
        return self._publish_again() + self._give_up_lost()

    def _publish_again(self) -> int:
        before = self.clock() - timedelta(seconds=self.outcome_grace)
        with self.ledger.transaction() as tx:
            if (tx.mode() or self.default_mode) is not Mode.ACT:
                return 0
            due = [self._redrive(tx, attempt) for attempt in tx.unpublished(before, BATCH)]
        publishing = Publishing(self.ledger, self.redriver, self.clock, self.jitter)
        return publishing.publish([each for each in due if each])

    def _give_up_lost(self) -> int:
        now = self.clock()
        before = now - timedelta(seconds=self.outcome_timeout)
        outcome = Outcome(failed_with=f"no outcome within {self.outcome_timeout:.0f} s", lost=True)
        with self.ledger.transaction() as tx:
            lost = tx.without_outcome(before, BATCH)
            for attempt in lost:
                record_outcome(tx, attempt.id, outcome, Moment(now, self.jitter()))
        return len(lost)

    def _redrive(self, tx: LedgerTx, attempt: Attempt) -> Redrive | None:
        stored = tx.failure(attempt.failure_id)
        release = tx.release(attempt.release_id)
        if stored is None or release is None:
            return None
        if stored.state is FailureState.RELEASED:
            return Redrive(attempt.id, stored.failure.message, release.plan.route)
        needless = Outcome(failed_with=f"not published: the failure is {stored.state} meanwhile", lost=True)
        record_outcome(tx, attempt.id, needless, Moment(self.clock(), self.jitter()))
        return None
