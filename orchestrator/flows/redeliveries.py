"""Redeliveries that never came: what the broker was to deliver again, and did not in time, is settled page by page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.domain.results import SUCCESS
from orchestrator.flows.redelivery import give_up_pending, recover
from orchestrator.flows.witnesses import BATCH, ENDED_AFTER_ALL, Looked, Times, Witnesses, witnesses_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from orchestrator.domain.ledger import Ledger, LedgerTx
    from orchestrator.domain.ports import Results
    from orchestrator.domain.results import StoredTask
    from orchestrator.domain.standing import StoredFailure

NO_ANSWER: Final = "it did not answer"
# While the backend is away, that many times the grace: a short outage must not end the wait for a long run.
GRACES_WITHOUT_WORD: Final = 2


@dataclass(slots=True)
class Redeliveries:
    """Ends the wait for redeliveries. Those that a living worker still runs stand in nobody's way: pages go on."""

    ledger: Ledger
    results: Results
    clock: Callable[[], datetime]
    times: Times
    page: int = BATCH
    _after: StoredFailure | None = None

    def run_once(self) -> Looked:
        """Settle one page of what is due, whether the result backend answers or not."""
        due = self._due()
        states, silent = self._asked(due)
        witnesses = witnesses_of(self.ledger, states.values(), self.clock(), self.times.worker_slack)
        with self.ledger.transaction() as tx:
            for each in due:
                self._settle(tx, each, states.get(each.failure.task_id), silent, witnesses)
        self._after = due[-1] if len(due) == self.page else None
        return Looked(len(due), over=self._after is None)

    def _due(self) -> list[StoredFailure]:
        before = self.clock() - timedelta(seconds=self.times.redelivery_grace)
        with self.ledger.reading() as tx:
            return tx.pending(before, self.page, self._after)

    def _asked(self, due: Sequence[StoredFailure]) -> tuple[Mapping[str, StoredTask], str | None]:
        """Ask the backend: what it says, and why it says nothing, if it could not be asked."""
        try:
            return self.results.state_of([each.failure.task_id for each in due]) if due else {}, self.results.blind
        except DependencyUnreachable:
            return {}, NO_ANSWER

    def _settle(
        self, tx: LedgerTx, due: StoredFailure, task: StoredTask | None, silent: str | None, witnesses: Witnesses
    ) -> None:
        if tx.failure(due.failure.id) != due:
            return  # something was heard of it meanwhile
        if task and task.state == SUCCESS:
            recover(tx, due, ENDED_AFTER_ALL, witnesses.now)
        elif not witnesses.runs(task) and not (silent == NO_ANSWER and self._may_wait(due, witnesses.now)):
            give_up_pending(tx, due, self._never_came(task, silent), witnesses.now)

    def _may_wait(self, due: StoredFailure, now: datetime) -> bool:
        longest = timedelta(seconds=GRACES_WITHOUT_WORD * self.times.redelivery_grace)
        return due.pending_since is not None and now - due.pending_since < longest

    def _never_came(self, task: StoredTask | None, silent: str | None) -> str:
        says = f"says {task.state}" if task else "knows nothing of it"
        backend = f"could not be asked ({silent})" if silent else says
        return (
            f"expected the broker to deliver the message again within {self.times.redelivery_grace:.0f} s, got no "
            f"run of it; the result backend {backend}; look whether a queue still holds the message, then redrive the "
            "failure or discard it"
        )
