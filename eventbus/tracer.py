"""Around what Celery runs a task with: how a run ended, seen in the process that ran it.

Celery tells by signal of an exception alone; this also sees what leaves the process (SystemExit), what leaves Celery's
own code (a result backend that is away), retries, and messages that the broker has delivered again.
"""

from __future__ import annotations

import sys
from functools import partial
from time import time
from typing import TYPE_CHECKING, Any, Final

from billiard.process import current_process
from celery import states
from celery.app.trace import trace_ok_t
from celery.exceptions import Reject
from celery.utils.serialization import UnpickleableExceptionWrapper

from eventbus.attributes import asked_to_go
from eventbus.guard import harmless
from eventbus.kept import BEGUN, KEY, TOLD
from eventbus.lost import key_of
from eventbus.resolving import resolving
from eventbus.run import End, Run, retries_of
from eventbus.wire import ATTEMPT_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

    from billiard.einfo import ExceptionInfo
    from celery import Task

    from eventbus.inflight import InFlight
    from eventbus.reporter import Reporter
    from eventbus.resolving import Resolver

FLUSH_SECONDS: Final = 3.0
_OUTCOMES: Final = {states.RETRY: "retried", states.IGNORED: "ignored", states.REJECTED: "ignored"}


class Tracer:
    """The runs of one process: each is struck out of the journal when it is over, and a bad one reported."""

    def __init__(self, reporter: Reporter, journal: InFlight) -> None:
        self._reporter = reporter
        self._journal = journal

    def around(self, task: Task, resolver: Resolver | None = None) -> None:
        """Wrap what runs this task, unless it is wrapped; `resolver` gives back what was redacted."""
        trace = task.__trace__
        if trace is not None and not hasattr(trace, "redrive"):
            task.__trace__ = resolving(task, self._tracing(task, trace), resolver)
            task.__trace__.redrive = self

    def _tracing(self, task: Task, trace: Callable[..., Any]) -> Callable[..., Any]:
        succeeded, ended, left = self._succeeded, self._ended, self._left

        def run(uuid: str, args: Any, kwargs: Any, request: Any = None) -> Any:  # noqa: ANN401 - as Celery calls it
            properties = request and request.get("properties")
            if not properties or KEY not in properties:
                return trace(uuid, args, kwargs, request)
            properties.setdefault(BEGUN, time())
            if ATTEMPT_HEADER in request and self._skips(task, request):
                return trace_ok_t(None, None, 0.0, "skipped: this attempt has ended before")
            try:
                outcome = trace(uuid, args, kwargs, request)
            except BaseException as error:
                left(task, request, error)
                raise
            if outcome[1] is None:
                succeeded(task, request, outcome[2])
            else:
                ended(task, request, outcome[1])
            return outcome

        return run

    def failed(self, task: Task, exception: BaseException, einfo: ExceptionInfo | None) -> None:
        """Report what Celery's signal tells, in the process that runs the task: an exception it does not retry."""
        request = vars(task.request)
        properties = request.get("properties") or {}
        if KEY not in properties or TOLD in properties:
            return
        original = _original(exception)
        way = "memory_error" if isinstance(original, MemoryError) else "exception"
        text = str(einfo.traceback) if einfo and original is exception else None
        self._report(task, request, End(way, original, text))
        if way == "memory_error":
            self._reporter.flush(FLUSH_SECONDS)  # the whole worker leaves now

    @harmless
    def _succeeded(self, task: Task, request: dict[str, Any], runtime: float | None) -> None:
        attempt_id = None
        redriven = ATTEMPT_HEADER in request
        self._reporter.count(task, request["hostname"], succeeded=True, redriven=redriven)
        if redriven:
            run = Run.of(task.name, request)
            attempt_id = run.attempt_id
            self._reporter.attempt_ended(run, "succeeded", task.backend, runtime)
        if request["delivery_info"]["redelivered"]:
            self._reporter.redelivery_ended(Run.of(task.name, request), "succeeded")
        self._journal.ended(key_of(request["id"], retries_of(request), attempt_id, request["properties"][BEGUN]))

    @harmless
    def _ended(self, task: Task, request: dict[str, Any], info: Any) -> None:  # noqa: ANN401 - celery has no types
        """End a run that did not succeed: retried, ignored or rejected; a failed one ends when its event is kept."""
        if info.state == states.FAILURE:
            if TOLD not in request["properties"]:
                self._report(task, request, End("exception", info.retval))
            return
        run = Run.of(task.name, request)
        requeued = info.state == states.REJECTED and info.retval.requeue
        if request["delivery_info"]["redelivered"] and not requeued:
            self._reporter.redelivery_ended(run, _OUTCOMES.get(info.state, "ignored"))
        self._journal.ended(run.key)

    @harmless
    def _left(self, task: Task, request: dict[str, Any], error: BaseException) -> None:
        """Report what left Celery's own code, before it leaves the process."""
        if isinstance(error, SystemExit | KeyboardInterrupt) and not asked_to_go():
            # The main process gives the message of a lost child back to its queue; only a pool's children are daemons.
            requeued = task.acks_late and task.reject_on_worker_lost and current_process().daemon
            self._report(task, request, End("system_exit", error, redelivery=bool(requeued)))
            self._reporter.flush(FLUSH_SECONDS)
        elif isinstance(error, MemoryError):
            self._report(task, request, End("memory_error", error))
            self._reporter.flush(FLUSH_SECONDS)
        elif isinstance(error, Exception) and not isinstance(error, Reject):
            self._report(task, request, End("exception", error))
        elif not isinstance(error, SystemExit | KeyboardInterrupt):
            self._journal.ended(Run.of(task.name, request).key)

    def _report(self, task: Task, request: dict[str, Any], end: End) -> None:
        properties = request["properties"]
        if TOLD in properties:
            return
        run = Run.of(task.name, request)
        struck = partial(self._journal.ended, run.key)
        self._reporter.failed(run, end, task, struck)
        properties[TOLD] = True  # not before: what comes next tells it where this has failed
        if not end.redelivery:
            self._reporter.count(task, run.worker, succeeded=False)
            self._reporter.attempt_ended(run, "failed", task.backend)

    def _skips(self, task: Task, request: dict[str, Any]) -> bool:
        run = Run.of(task.name, request)
        skips = harmless(self._reporter.ended_before)(run, task.backend)
        if skips:
            self._journal.ended(run.key)
        return bool(skips)


def _original(exception: BaseException) -> BaseException:
    """Give the exception that the task raised: Celery hands over one that pickles, which may know less."""
    raised = sys.exception()
    if raised is not None and (
        isinstance(exception, UnpickleableExceptionWrapper) or isinstance(raised, type(exception))
    ):
        return raised
    return exception
