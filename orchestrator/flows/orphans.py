"""Orphans: tasks that the result backend shows as unfinished though nobody runs them.

The backend is the last witness: workers and their journals tell within seconds, and with the message. What only the
backend knows becomes a failure without its message, once it has looked lost for a while on end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from eventbus.wire import TASK_FAILED, Event, encode, failure_id
from orchestrator.domain.failures import Way
from orchestrator.domain.ids import derive
from orchestrator.domain.results import STARTED, SUCCESS
from orchestrator.domain.workers import is_lost, outdated, suspected
from orchestrator.flows.redelivery import recover
from orchestrator.flows.witnesses import BATCH, ENDED_AFTER_ALL, Looked, Times, witnesses_of
from orchestrator.flows.workers import by_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from orchestrator.domain.ledger import Ledger
    from orchestrator.domain.ports import Results
    from orchestrator.domain.results import StoredTask
    from orchestrator.domain.standing import StoredFailure
    from orchestrator.domain.workers import Suspect

SOURCE: Final = "urn:redrive:orphans"
MOST_SUSPECTS: Final = 50_000
ASK_FOR: Final = timedelta(days=7)


@dataclass(slots=True)
class Orphans:
    """Looks for what was lost, page by page. `take_in` is the intake's: event log first, then the ledger."""

    ledger: Ledger
    results: Results
    take_in: Callable[[Sequence[bytes]], Any]
    clock: Callable[[], datetime]
    times: Times
    page: int = BATCH
    _cursor: str | None = None
    _suspects: dict[str, Suspect] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)
    _after: StoredFailure | None = None

    def run_once(self) -> Looked:
        """Look at one page of the backend; behind the last one, settle what else is due.

        Raises DependencyUnreachable while the backend is away: nothing is decided then, and the page is read again.
        """
        page = self.results.unfinished(self.page, self._cursor)
        asked = self._report(self._doubt(page.tasks))
        self._cursor = page.cursor
        if page.cursor is None:
            asked += self._end_round()
        return Looked(page.read + asked, over=page.cursor is None)

    def _doubt(self, tasks: Sequence[StoredTask]) -> list[Suspect]:
        """Suspect what looks lost; gives those that have looked so for long enough."""
        witnesses, lost = witnesses_of(self.ledger, tasks, self.clock(), self.times.worker_slack), []
        for task in tasks:
            known = self._suspects.pop(task.task_id, None)
            suspect = suspected(known, task, witnesses.on(task), witnesses.now)
            if suspect and len(self._suspects) < MOST_SUSPECTS:
                self._suspects[task.task_id] = suspect
                self._seen.add(task.task_id)
                if is_lost(suspect, witnesses.now, self._grace(task)):
                    lost.append(suspect)
        return lost

    def _grace(self, task: StoredTask) -> float:
        # What a cold shutdown cancelled may be the broker's to deliver again: the backend does not tell.
        return self.times.orphan_grace if task.state == STARTED else self.times.redelivery_grace

    def _report(self, lost: Sequence[Suspect]) -> int:
        """Make failures of what is lost, unless it is one already, or has moved since; gives the number asked for."""
        with self.ledger.reading() as tx:
            known = tx.tasks_that_failed([each.task.task_id for each in lost]) if lost else set()
        new = [each for each in lost if each.task.task_id not in known]
        if not new:
            return 0
        latest = self.results.state_of([each.task.task_id for each in new])
        events = [orphaned(each, self.clock()) for each in new if latest.get(each.task.task_id) == each.task]
        if events:
            self.take_in([encode(events)])
        return len(new)

    def _end_round(self) -> int:
        self._suspects = {key: each for key, each in self._suspects.items() if key in self._seen}
        self._seen.clear()
        asked = self._hear_ends()
        self._forget_workers()
        return asked

    def _hear_ends(self) -> int:
        """Close what ended well after all; a failure is told by the worker that had it."""
        with self.ledger.reading() as tx:
            asked = tx.orphans(self.clock() - ASK_FOR, BATCH, self._after)
        self._after = asked[-1] if len(asked) == BATCH else None
        states = self.results.state_of([each.failure.task_id for each in asked]) if asked else {}
        ended = [each for each in asked if each.failure.task_id in states]
        with self.ledger.transaction() as tx:
            for each in ended:
                if states[each.failure.task_id].state == SUCCESS and tx.failure(each.failure.id) == each:
                    recover(tx, each, ENDED_AFTER_ALL, self.clock())
        return len(asked)

    def _forget_workers(self) -> None:
        with self.ledger.transaction() as tx:
            reading, now = tx.bus_reading(), self.clock()
            for namesakes in by_name(tx.workers()).values():
                tx.drop_workers(outdated(namesakes, reading, now, self.times.worker_slack))


def orphaned(suspect: Suspect, now: datetime) -> Event:
    """Make the failure event of a task that only the backend knows of; the same loss gives the same event."""
    task = suspect.task
    found = failure_id(task.task_id, task.retries or 0, None)
    return Event(
        id=str(derive("orphaned", found, task.state, task.worker, task.pid)),
        source=SOURCE,
        type=TASK_FAILED,
        time=now,
        subject=task.task_id,
        data={
            "failure_id": str(found),
            "task_id": task.task_id,
            "task": task.task or "unknown",
            "retries": task.retries or 0,
            "attempt_id": None,
            "captured": str(Way.ORPHANED),
            "exception": _facts(suspect.why),
            "declaration": {"dependency": None, "idempotent": False},
            "message": NO_MESSAGE,
            "worker": task.worker or "",
            "occurred_at": suspect.since.isoformat(),
            "redelivery": False,
            "started_at": None,
        },
    )


def _facts(why: str) -> dict[str, Any]:
    return {
        "type": "redrive.Orphaned",
        "message": f"expected the task to end, got nobody who runs it: {why}",
        "traceback": "",
        "chain": [],
        "status": None,
        "retry_after": None,
    }


NO_MESSAGE: Final = {
    "body": "",
    "content_type": "",
    "content_encoding": "",
    "headers": {},
    "properties": {},
    "exchange": "",
    "routing_key": "",
    "missing": True,
}
