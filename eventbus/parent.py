"""What the worker's main process knows of its runs: their begin, and the losses that no child lives to tell."""

from __future__ import annotations

import os
from collections import OrderedDict
from functools import partial
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Final

from billiard.einfo import ExceptionWithTraceback
from celery.exceptions import TaskRevokedError, TimeLimitExceeded, WorkerLostError
from celery.worker import state

from eventbus.fate import Fate, way_of
from eventbus.guard import harmless
from eventbus.kept import BEGUN, KEY
from eventbus.lost import key_of
from eventbus.memory import KernelKills
from eventbus.queues import Queues, delivered_before
from eventbus.run import End, Run, retries_of
from eventbus.tracing import HEADER, traceparent_of
from eventbus.wire import ATTEMPT_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

    from billiard.einfo import ExceptionInfo
    from celery import Celery

    from eventbus.inflight import InFlight
    from eventbus.lost import Record
    from eventbus.reporter import Reporter

AGAIN_SECONDS: Final = 60.0
REMEMBERED: Final = 4096
# Green pools give the id of a greenlet for a process; Linux has no process ids from here on.
_NO_PID: Final = 1 << 22
_LOSSES: Final = (SystemExit, KeyboardInterrupt, WorkerLostError)


class Parent:
    """One worker's main process. Every method may be called by Celery's own code and raises nothing."""

    def __init__(self, app: Celery, reporter: Reporter, journal: InFlight) -> None:
        self._reporter = reporter
        self._journal = journal
        self._kernel = KernelKills()
        self.queues = Queues(app)
        self.cold = False
        self.acks_afterwards = False
        self._fates: dict[str, Fate] = {}
        self._cancelled: list[Any] = []
        self._expired: OrderedDict[str, None] = OrderedDict()
        self._reported: OrderedDict[str, float] = OrderedDict()

    def connected(self, consumer: Any) -> None:  # noqa: ANN401 - celery has no types
        """Take the worker's consumer, each time that it is connected.

        In a solo pool the event loop acknowledges a message only once the task has given it back its thread.
        """
        self.queues.consumed_by(consumer)
        solo = type(consumer.pool).__module__ == "celery.concurrency.solo"
        self.acks_afterwards = solo and (consumer.hub is not None or not hasattr(consumer, "call_soon_ack"))

    @harmless
    def queue_of(self, message: Any) -> str | None:  # noqa: ANN401 - celery has no types
        """Name the queue that a message came from."""
        return self.queues.of(message.delivery_info or {})

    @harmless
    def began(self, request: Any, pid: int) -> None:  # noqa: ANN401 - celery has no types
        """Write down what the failure of this run would need, should this process die."""
        own, task = request.request_dict, request.task
        properties = own["properties"]
        within = pid >= _NO_PID or pid == os.getpid()
        # A pool's child was told when the run was handed over; in this process it begins now.
        if within or BEGUN not in properties:
            properties[BEGUN] = time()
        attempt_id = Run.of(task.name, own).attempt_id if ATTEMPT_HEADER in own else None
        retries = retries_of(own)
        late = task.acks_late or self.acks_afterwards
        record: Record = {
            "task_id": str(request.id),
            "task": task.name,
            "retries": retries,
            "attempt_id": attempt_id,
            "pid": os.getpid() if within else pid,
            "started_at": properties[BEGUN],
            "acks_late": late,
            "declaration": self._reporter.declaration_of(task),
            "message": self._reporter.noted(task.name, properties),
            "delivery_count": delivered_before(properties[KEY][3]) if late else None,
            "delivery_limit": self.queues.limit_of(request.queue) if late else None,
        }
        if HEADER in own:
            record["traceparent"] = traceparent_of(own)
        self._journal.began(key_of(request.id, retries, attempt_id, properties[BEGUN]), record)

    @harmless
    def not_begun(self, request: Any) -> None:  # noqa: ANN401 - celery has no types
        """Strike out a run that the pool refuses after all."""
        self._journal.ended(self._run(request).key)

    @harmless
    def failing(self, request: Any, exc_info: ExceptionInfo, *, told: bool) -> None:  # noqa: ANN401 - celery has no types
        """Note why Celery is about to end a run as failed; `told` where the child has reported it."""
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        gone = request._already_cancelled or request._already_revoked  # noqa: SLF001 - celery shows it nowhere else
        way = way_of(error, told=told, gone=gone)
        if way == "child_killed":
            self._kernel.witness(error)
        request.fate = Fate(way, error, str(exc_info.traceback))
        self._fates[request.id] = request.fate

    def failure_seen(self, request: Any) -> None:  # noqa: ANN401 - celery has no types
        """Celery could not do all that belongs to a failure: it is one all the same."""
        if request.fate is not None:
            request.fate.failed = True

    def signalled(self, task_id: str) -> bool:
        """Take in Celery's signal of a failure, and tell whether it is about a run that ends here, not in a child."""
        fate = self._fates.get(task_id)
        if fate is not None:
            fate.failed = True
        return fate is not None

    @harmless
    def failed(self, request: Any) -> None:  # noqa: ANN401 - celery has no types
        """Report what Celery has dealt with by now, unless it found that the task had succeeded, or retries it."""
        fate, request.fate = request.fate, None
        self._fates.pop(request.id, None)
        if fate is None:
            return
        if fate.requeued and self._last_delivery(request):
            self._report(request, End("delivery_limit", fate.error, fate.traceback))
        elif fate.way is not None and (fate.failed or fate.requeued or not isinstance(fate.error, _LOSSES)):
            self._report(request, End(fate.way, fate.error, fate.traceback, redelivery=fate.requeued))
        elif fate.way is not None:
            self._journal.ended(self._run(request).key)

    def requeued(self, request: Any) -> None:  # noqa: ANN401 - celery has no types
        """Note that Celery gives the message back to its queue."""
        if request.fate is not None and not request.acknowledged:
            request.fate.requeued = True

    @harmless
    def timed_out(self, request: Any, timeout: float) -> None:  # noqa: ANN401 - celery has no types
        """Report a hard time limit, unless `failed` has."""
        if not request.fate_told and not state.should_terminate:
            self._report(request, End("time_limit", TimeLimitExceeded(timeout)))

    @harmless
    def admit(self, request: Any) -> None:  # noqa: ANN401 - celery has no types
        """Let a redrive of a task run that expired here: Celery counts it among the revoked for three hours."""
        if request.id in self._expired and ATTEMPT_HEADER in request.request_dict:
            del self._expired[request.id]
            state.revoked.discard(request.id)

    @harmless
    def revoked(self, request: Any, *, expired: bool) -> None:  # noqa: ANN401 - celery has no types
        """Report a message that expired; one that somebody revoked is no failure, and ends what waited for it."""
        if expired:
            request.request_dict["properties"].pop(BEGUN, None)
            _remember(self._expired, request.id, None)
            self._report(request, End("expired", TaskRevokedError("expired")))
            return
        run = self._run(request)
        if request.delivery_info["redelivered"]:
            self._reporter.redelivery_ended(run, "ignored")
        if request.time_start:
            self._journal.ended(run.key)

    @harmless
    def refused(self, run: Run, end: End, on_kept: Callable[[], None] | None) -> None:
        """Report a message that never becomes a run."""
        self._reporter.failed(run, end, None, on_kept)
        self._reporter.attempt_ended(run, "failed", None)

    @harmless
    def cancelled(self, request: Any) -> None:  # noqa: ANN401 - celery has no types
        """Note that Celery kills a run: at a cold shutdown its end decides, at a lost connection the broker has it."""
        if self.cold:
            self._cancelled.append(request)
        else:
            error = WorkerLostError("cancelled: the connection to the broker was lost, which delivers it again")
            self._report(request, End("child_killed", error, redelivery=True))

    @harmless
    def ending(self) -> None:
        """Report what a cold shutdown killed; a run that came to its end all the same is none."""
        cancelled, self._cancelled = self._cancelled, []
        for request in cancelled:
            if request.id not in state.successful_requests:
                redelivery = request.task.acks_late and not request.acknowledged
                way = "delivery_limit" if redelivery and self._last_delivery(request) else "cold_shutdown"
                error = WorkerLostError("the worker was shut down cold while the task ran")
                self._report(request, End(way, error, redelivery=redelivery and way == "cold_shutdown"))

    def _last_delivery(self, request: Any) -> bool:  # noqa: ANN401 - celery has no types
        limit = self.queues.limit_of(request.queue)
        return limit is not None and delivered_before(request.message.headers) >= limit

    def _run(self, request: Any) -> Run:  # noqa: ANN401 - celery has no types
        return Run.of(request.task.name, request.request_dict)

    def _report(self, request: Any, end: End) -> None:  # noqa: ANN401 - celery has no types
        request.fate_told = True
        run, task = self._run(request), request.task
        if end.redelivery and not self._due(run.failure_id):
            self._journal.ended(run.key)
            return
        struck = partial(self._journal.ended, run.key)
        self._reporter.failed(run, end, task, struck)
        if not end.redelivery:
            self._reporter.count(task, run.worker, succeeded=False)
            self._reporter.attempt_ended(run, "failed", task.backend)

    def _due(self, failure_id: str) -> bool:
        """Tell whether a message that comes back and is lost again is worth another word: once a minute."""
        now = monotonic()
        if now < self._reported.get(failure_id, 0.0):
            return False
        _remember(self._reported, failure_id, now + AGAIN_SECONDS)
        return True


def _remember(known: OrderedDict[str, Any], key: str, value: object) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > REMEMBERED:
        known.popitem(last=False)
