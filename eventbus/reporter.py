"""What a worker says of its runs: a failure with its message, the end of an attempt, and counts of both outcomes."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from traceback import format_exception
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from celery.utils.serialization import UnpickleableExceptionWrapper

from eventbus import attempts, wire
from eventbus.capture import message_of
from eventbus.facts import facts_of
from eventbus.outcomes import Outcomes

if TYPE_CHECKING:
    from celery import Task
    from celery.app.task import Context

    from eventbus.declaration import Declarations
    from eventbus.publisher import Publisher


class Reporter:
    """Reports the runs of one process through its publisher."""

    def __init__(self, publisher: Publisher, declarations: Declarations) -> None:
        self._publisher = publisher
        self._declarations = declarations
        self._declared: dict[str, dict[str, Any]] = {}
        self._outcomes = Outcomes(lambda task: self._declared[task]["dependency"])
        self._worker = ""
        publisher.attach(self._counts)

    def failed(self, task: Task, exception: BaseException, traceback: str) -> None:
        """Report a run that ended badly and that Celery does not retry; nothing for one without a message."""
        request = task.request
        message = message_of(request)
        if message is None:
            return
        now = datetime.now(UTC)
        attempt_id = attempts.attempt_of(request.headers)
        self._count(task, request, succeeded=False)
        data = {
            "failure_id": str(wire.failure_id(request.id, request.retries, attempt_id)),
            "task_id": request.id,
            "task": task.name,
            "retries": request.retries,
            "attempt_id": attempt_id,
            "captured": "exception",
            "exception": _facts(exception, traceback, now),
            "declaration": self._declared[task.name],
            "message": message,
            "worker": request.hostname,
            "occurred_at": now.isoformat(),
        }
        self._publisher.publish(_event(wire.TASK_FAILED, request, data, now))
        if attempt_id is not None:
            self._attempt_ended(task, request, attempt_id, "failed")

    def succeeded(self, task: Task, runtime: float | None) -> None:
        """Count a run that ended well; if it was a redrive, report its end at once."""
        request = task.request
        if request.is_eager:
            return
        self._count(task, request, succeeded=True)
        attempt_id = attempts.attempt_of(request.headers)
        if attempt_id is not None:
            self._attempt_ended(task, request, attempt_id, "succeeded", runtime)

    def ended_before(self, task: Task, request: Context) -> bool:
        """Tell whether the attempt that this message asks for has ended already, and report that it is skipped."""
        attempt_id = attempts.attempt_of(request.headers)
        stored = attempts.stored_outcome(task.backend, attempt_id) if attempt_id else None
        if attempt_id is None or stored is None:
            return False
        data = _ended(task, request, attempt_id, "skipped", None) | {"stored": stored}
        self._publisher.publish(_event(wire.ATTEMPT_ENDED, request, data, datetime.now(UTC)), urgent=True)
        return True

    def _attempt_ended(
        self,
        task: Task,
        request: Context,
        attempt_id: str,
        outcome: str,
        runtime: float | None = None,
    ) -> None:
        """Store the end of an attempt, then tell it: a copy of the message that comes after the event is skipped."""
        attempts.store_outcome(task.backend, attempt_id, outcome)
        data = _ended(task, request, attempt_id, outcome, runtime)
        self._publisher.publish(_event(wire.ATTEMPT_ENDED, request, data, datetime.now(UTC)), urgent=True)

    def _count(self, task: Task, request: Context, *, succeeded: bool) -> None:
        if task.name not in self._declared:
            self._declared[task.name] = self._declarations.of(task.name, getattr(task, "redrive", None))
        self._worker = request.hostname
        self._outcomes.count(task.name, succeeded=succeeded)
        self._publisher.start()

    def _counts(self) -> wire.Event | None:
        data = self._outcomes.take()
        if data is None:
            return None
        data["worker"] = self._worker
        return wire.Event(str(uuid4()), _source(self._worker), wire.TASK_OUTCOMES, datetime.now(UTC), data)


def _source(worker: str) -> str:
    return f"urn:redrive:worker:{worker}"


def _event(event_type: str, request: Context, data: dict[str, Any], now: datetime) -> wire.Event:
    return wire.Event(str(uuid4()), _source(request.hostname), event_type, now, data, subject=request.id)


def _ended(task: Task, request: Context, attempt_id: str, outcome: str, runtime: float | None) -> dict[str, Any]:
    return {
        "attempt_id": attempt_id,
        "task_id": request.id,
        "task": task.name,
        "outcome": outcome,
        "ended_at": datetime.now(UTC).isoformat(),
        "runtime_seconds": runtime,
        "worker": request.hostname,
    }


def _facts(exception: BaseException, traceback: str, now: datetime) -> dict[str, Any]:
    original = _original(exception)
    text = traceback if original is exception else "".join(format_exception(original))
    return facts_of(original, text, now)


def _original(exception: BaseException) -> BaseException:
    """Give the exception that the task raised: Celery hands over one that pickles, which may know less."""
    raised = sys.exception()
    if raised is not None and (
        isinstance(exception, UnpickleableExceptionWrapper) or isinstance(raised, type(exception))
    ):
        return raised
    return exception
