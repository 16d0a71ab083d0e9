"""What a worker says of its runs: a failure with its message, the end of an attempt, and counts of both outcomes."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from eventbus import attempts, wire
from eventbus.attributes import traceback_of
from eventbus.departing import bare, without_message
from eventbus.event_ids import event_id
from eventbus.facts import facts_of
from eventbus.kept import KEY, noted, whole
from eventbus.outcomes import Outcomes
from eventbus.tracing import HEADER, traceparent_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from celery import Task
    from celery.backends.base import Backend

    from eventbus.declaration import Declarations, Declared
    from eventbus.departing import Departing
    from eventbus.publisher import Publisher
    from eventbus.run import End, Run

log = logging.getLogger(__name__)


class Reporter:
    """Reports the runs of one process through its publisher."""

    def __init__(self, publisher: Publisher, declarations: Declarations, departing: Departing) -> None:
        self._publisher = publisher
        self._departing = departing
        self._declarations = declarations
        self._declared: dict[str, Declared] = {}
        self._as_data: dict[str, dict[str, Any]] = {}
        self._outcomes = Outcomes(lambda task: self._declared[task].dependency)
        self._worker = ""
        publisher.attach(self._counts)

    def declared_of(self, task: Task) -> Declared:
        """Give what is declared of a task; it is asked once."""
        declared = self._declared.get(task.name)
        if declared is None:
            declared = self._declared[task.name] = self._declarations.of_task(task)
        return declared

    def declaration_of(self, task: Task) -> dict[str, Any]:
        """Give what is declared of a task as an event carries it; it is made once."""
        data = self._as_data.get(task.name)
        if data is None:
            data = self._as_data[task.name] = self.declared_of(task).as_data()
        return data

    def noted(self, task: str, properties: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give the message kept in a run's properties as the journal may hold it."""
        body, _, _, headers, *_ = properties[KEY]
        if self._departing.touches(task, headers, body):
            return self._departing.message(task, whole(properties) or {})
        return noted(properties)

    def failed(self, run: Run, end: End, task: Task | None = None, on_kept: Callable[[], None] | None = None) -> None:
        """Report a run that ended badly, with its message; `on_kept` is called once bus or spool has it.

        `task` is None for a name that this application does not know.
        """
        now = datetime.now(UTC)
        declared = self._declarations.of(run.task) if task is None else self.declared_of(task)
        began_at = run.began_at
        data = {
            "failure_id": run.failure_id,
            "task_id": run.id,
            "task": run.task,
            "retries": run.retries,
            "attempt_id": run.attempt_id,
            "captured": end.way,
            "exception": facts_of(end.error, end.traceback or traceback_of(end.error), now),
            "declaration": declared.as_data(end.error),
            "message": _message_of(run),
            "worker": run.worker,
            "occurred_at": now.isoformat(),
            "started_at": datetime.fromtimestamp(began_at, UTC).isoformat() if began_at else None,
            "redelivery": end.redelivery,
        }
        event = _event(wire.TASK_FAILED, run, self._departing.of(run.task, data), now)
        self._publisher.publish(event, on_kept=on_kept, instead=partial(bare, event))

    def attempt_ended(self, run: Run, outcome: str, backend: Backend | None, runtime: float | None = None) -> None:
        """Tell the end of an attempt, stored before that: a copy of its message that comes after it is skipped."""
        if run.attempt_id is None:
            return
        if backend is not None:
            attempts.store_outcome(backend, run.attempt_id, outcome)
        self._publisher.publish(_attempt_event(run, outcome, runtime), urgent=True)

    def ended_before(self, run: Run, backend: Backend) -> bool:
        """Tell whether the attempt that a message asks for has ended already, and report that it is skipped."""
        stored = attempts.stored_outcome(backend, run.attempt_id) if run.attempt_id else None
        if stored is None:
            return False
        self._publisher.publish(_attempt_event(run, "skipped", None, stored=stored), urgent=True)
        return True

    def redelivery_ended(self, run: Run, outcome: str) -> None:
        """Tell that a message which the broker delivered again has ended without a failure."""
        now = datetime.now(UTC)
        data = {
            "failure_id": run.failure_id,
            "task_id": run.id,
            "task": run.task,
            "retries": run.retries,
            "attempt_id": run.attempt_id,
            "outcome": outcome,
            "ended_at": now.isoformat(),
            "worker": run.worker,
        }
        self._publisher.publish(_event(wire.REDELIVERY_ENDED, run, data, now), urgent=True)

    def count(self, task: Task, worker: str, *, succeeded: bool, redriven: bool = False) -> None:
        """Count a run that ended; one that was `redriven` tells of itself as well, by the end of its attempt."""
        self.declared_of(task)
        self._worker = worker
        self._outcomes.count(task.name, succeeded=succeeded, redriven=redriven)
        self._publisher.start()

    def flush(self, timeout: float) -> None:
        """Wait up to `timeout` seconds until bus or spool has what was reported."""
        self._publisher.flush(timeout)

    def _counts(self) -> wire.Event | None:
        data = self._outcomes.take()
        if data is None:
            return None
        data["worker"] = self._worker
        return wire.Event(event_id(), _source(self._worker), wire.TASK_OUTCOMES, datetime.now(UTC), data)


def _source(worker: str) -> str:
    return f"urn:redrive:worker:{worker}"


def _message_of(run: Run) -> dict[str, Any] | None:
    """Give a run's message; where it holds what no broker carries, a failure is told without it."""
    try:
        return whole(run.properties)
    except Exception as error:  # noqa: BLE001 - guarantee 4: a failure is told, whatever its message holds
        log.error("message.withheld: of a task %s: %s", run.task, type(error).__name__)  # noqa: TRY400 - its text may hold a secret
        return without_message({})


def _event(event_type: str, run: Run, data: dict[str, Any], now: datetime) -> wire.Event:
    place = traceparent_of(run.headers)
    extensions = {HEADER: place} if place else {}
    return wire.Event(event_id(), _source(run.worker), event_type, now, data, subject=run.id, extensions=extensions)


def _attempt_event(run: Run, outcome: str, runtime: float | None, **more: str) -> wire.Event:
    now = datetime.now(UTC)
    data = {
        "attempt_id": run.attempt_id,
        "task_id": run.id,
        "task": run.task,
        "outcome": outcome,
        "ended_at": now.isoformat(),
        "runtime_seconds": runtime,
        "worker": run.worker,
        **more,
    }
    return _event(wire.ATTEMPT_ENDED, run, data, now)
