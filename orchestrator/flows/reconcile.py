"""Reconcile: what a crash left half done. An attempt without a publish is published under its own id; one without an
outcome is given up as lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from orchestrator.domain.commands import Mode
from orchestrator.domain.errors import DependencyUnreachable, Unroutable
from orchestrator.domain.moment import Moment
from orchestrator.flows.outcomes import record_outcome
from orchestrator.flows.release import Redrive

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from orchestrator.domain.attempts import Attempt
    from orchestrator.domain.ledger import Ledger, LedgerTx
    from orchestrator.domain.ports import Redriver

BATCH = 200


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
            due = [_redrive(tx, attempt) for attempt in tx.unpublished(before, BATCH)]
        published = [each.attempt_id for each in due if each and self._publish(each)]
        with self.ledger.transaction() as tx:
            tx.mark_published(published, self.clock())
        return len(published)

    def _publish(self, redrive: Redrive) -> bool:
        try:
            self.redriver.publish(redrive.message, redrive.attempt_id, redrive.route)
        except DependencyUnreachable:
            return False
        except Unroutable as error:
            with self.ledger.transaction() as tx:
                record_outcome(tx, redrive.attempt_id, Moment(self.clock(), self.jitter()), failed_with=str(error))
            return False
        return True

    def _give_up_lost(self) -> int:
        now = self.clock()
        before = now - timedelta(seconds=self.outcome_timeout)
        with self.ledger.transaction() as tx:
            lost = tx.without_outcome(before, BATCH)
            for attempt in lost:
                why = f"no outcome within {self.outcome_timeout:.0f} s"
                record_outcome(tx, attempt.id, Moment(now, self.jitter()), failed_with=why)
        return len(lost)


def _redrive(tx: LedgerTx, attempt: Attempt) -> Redrive | None:
    stored = tx.failure(attempt.failure_id)
    release = tx.release(attempt.release_id)
    if stored is None or release is None:
        return None
    return Redrive(attempt.id, stored.failure.message, release.plan.route)
