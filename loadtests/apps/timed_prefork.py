"""The pool of the timed sample app: Celery's prefork, whose children time each run from the outside.

A run is timed from the moment at which its job is in the child's pipe, before it is unpickled, to the moment before its
result goes back: all that plugin and tracer do in the child lies between, whatever Celery's hooks they use. What it
waits for the model and for the result backend is taken out: their spread would hide all that is small. After runs that
failed a child collects its garbage, so that what grows is what is still held, whatever the collector leaves lying. The
name ends in `prefork`, which is how the plugin's tracer knows such a pool.
"""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from celery import current_app, signals, states
from celery.concurrency import asynpool, prefork

from loadtests.apps.appending import append
from loadtests.apps.clock import Reading, now
from loadtests.apps.llm_app import waited
from loadtests.stamps import SKIPPED, line

if TYPE_CHECKING:
    from collections.abc import Callable

# Where a worker's parent writes, in the properties that travel with a job, when it received the message.
RECEIVED: Final = "loadtest-received"
ATTEMPT: Final = "redrive-attempt"
# A collection takes a tenth of a second.
COLLECT_SECONDS: Final = 2.0


@dataclass(slots=True)
class Stopwatch:
    """The run that this child is at. Writing its own lines is no part of what it measures."""

    names: tuple[str, str, float | None] = ("", "", None)
    came: Reading = field(default_factory=Reading)
    before: Reading = field(default_factory=Reading)
    resumed: Reading = field(default_factory=Reading)
    waited: Reading = field(default_factory=Reading)
    state: str = SKIPPED
    failed: bool = False
    collected: float = 0.0

    def loaded(self, args: tuple[Any, ...]) -> None:
        """Begin with a job that has been unpickled; `args` are those of Celery's trace function."""
        at = now()
        request = args[2]
        received = (request.get("properties") or {}).get(RECEIVED)
        self.names = (args[1], request.get(ATTEMPT) or "-", received)
        self.before, self.waited, self.state = at - self.came, waited.so_far, SKIPPED
        stamp(line("began", *self.names, self.came.at, os.getpid()))
        self.resumed = now()

    def ended(self) -> None:
        """Note the end, after every hook and before the result goes back."""
        at = now()
        inside = self.before + (at - self.resumed) - (waited.so_far - self.waited)
        ended = line("ended", *self.names, at.at, self.state, inside.at)
        stamp(ended + line("delayed", *self.names, inside.delayed))
        self._collect(at.at)

    def _collect(self, at: float) -> None:
        """Take away what failures have left: exceptions and frames that hold each other."""
        self.failed |= self.state == states.FAILURE
        if self.failed and at > self.collected + COLLECT_SECONDS:
            gc.collect()
            self.failed, self.collected = False, at


stopwatch = Stopwatch()


def stamp(lines: str) -> None:
    """Add lines, in one write, to the file that LLM_APP_STAMPS names, where it names one."""
    path = os.environ.get("LLM_APP_STAMPS")
    if path:
        append(path, lines)


@signals.task_postrun.connect  # type: ignore[untyped-decorator]  # celery has no types
def _ended(state: str | None, **_: Any) -> None:
    stopwatch.state = state or SKIPPED


@signals.worker_process_init.connect  # type: ignore[untyped-decorator]  # celery has no types
def _take_out_the_backend(**_: Any) -> None:
    """Count what storing a result takes as waiting."""
    backend = type(current_app.backend)
    store = backend.store_result

    @wraps(store)
    def timed(*args: Any, **options: Any) -> object:
        with waited.counted():
            return store(*args, **options)

    backend.store_result = timed


class Jobs:
    """A child's queue of jobs, that notes when the bytes of one have come."""

    def __init__(self, queue: Any) -> None:  # noqa: ANN401 - billiard has no types
        self._queue = queue
        self._reader = queue._reader  # noqa: SLF001 - where billiard looks as well
        self.get = queue.get

    def get_payload(self) -> bytes:
        """Wait for a job, as bytes."""
        payload: bytes = self._queue.get_payload()
        stopwatch.came = now()
        return payload


class Worker(asynpool.Worker):
    """A child of the pool."""

    def _make_protected_receive(self, conn: Any) -> Callable[[], Any]:  # noqa: ANN401 - billiard has no types
        if conn is not self.inq:
            return super()._make_protected_receive(conn)  # type: ignore[no-any-return]  # billiard has no types
        receive = super()._make_protected_receive(Jobs(conn))

        def wait_for_job() -> Any:  # noqa: ANN401 - billiard has no types
            request = receive()
            if request and len(request[1][3]) > 2:  # noqa: PLR2004 - a task's: name, id, request ...
                stopwatch.loaded(request[1][3])
            return request

        return wait_for_job

    def prepare_result(self, result: Any) -> Any:  # noqa: ANN401 - billiard has no types
        """Take the end of a run; billiard calls this with what the run gives, and sends what it gives back."""
        stopwatch.ended()
        return super().prepare_result(result)


class AsynPool(asynpool.AsynPool):
    """Celery's pool, with our children."""

    Worker = Worker


class TaskPool(prefork.TaskPool):
    """What `worker_pool` names."""

    Pool = AsynPool
