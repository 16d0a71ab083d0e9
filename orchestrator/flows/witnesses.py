"""Witnesses: what workers told of themselves, beside what the result backend shows; and the times allowed to each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from orchestrator.domain.results import STARTED
from orchestrator.domain.workers import judge, judge_retry
from orchestrator.flows.workers import by_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from orchestrator.domain.ledger import Ledger
    from orchestrator.domain.results import StoredTask
    from orchestrator.domain.workers import BusReading, Judgement, Worker

BATCH: Final = 500
ENDED_AFTER_ALL: Final = "the result backend says that the task succeeded after all"


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: how long a task must look lost, how long a redelivery may take, and the silence a worker is allowed."""

    orphan_grace: float
    redelivery_grace: float
    worker_slack: float


@dataclass(frozen=True, slots=True)
class Looked:
    """What one step read of the backend, in keys or rows, and whether it was the last one of a round."""

    read: int
    over: bool


@dataclass(frozen=True, slots=True)
class Witnesses:
    """What workers told of themselves, by their names, and how far the bus has been read."""

    workers: Mapping[str, Sequence[Worker]]
    reading: BusReading | None
    now: datetime
    slack: float

    def on(self, task: StoredTask) -> Judgement:
        """Judge whether a task that has not ended is lost."""
        if task.state != STARTED:
            return judge_retry(task)
        return judge(task, self.workers.get(task.worker or "", ()), self.reading, self.now, self.slack)

    def runs(self, task: StoredTask | None) -> bool:
        """Tell whether a worker that is known to live may be running a task: a long run is no loss."""
        if task is None or task.state != STARTED:
            return False
        return bool(self.workers.get(task.worker or "")) and not self.on(task).lost


def witnesses_of(ledger: Ledger, tasks: Iterable[StoredTask], now: datetime, slack: float) -> Witnesses:
    """Call up what is known of the workers that some tasks name; `slack` is the silence in seconds allowed to one."""
    names = sorted({task.worker for task in tasks if task.worker})
    with ledger.reading() as tx:
        workers, reading = tx.workers(names) if names else [], tx.bus_reading()
    return Witnesses(by_name(workers), reading, now, slack)
