"""What dead workers of this worker's name left in flight: reported by its main process, on a thread of its own.

A task of which the result backend says that it has succeeded since is not reported; a backend that does not say so
in time is not waited for.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from eventbus.attempts import keeps
from eventbus.departing import bare
from eventbus.guard import harmless
from eventbus.lost import event_of
from eventbus.remains import Remains

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from eventbus.departing import Departing
    from eventbus.publisher import Publisher
    from eventbus.remains import LostRun

EVERY_SECONDS: Final = 1.0
ASK_SECONDS: Final = 5.0
JOIN_SECONDS: Final = 2.0


class Aftermath:
    """Looks once a second until `stop`; a run whose process lives on is waited for. `backend` is asked for results."""

    def __init__(
        self, folder: Path, worker: str, publisher: Publisher, departing: Departing, backend: Callable[[], Any]
    ) -> None:
        self._remains = Remains(folder, worker=worker)
        self._publisher = publisher
        self._departing = departing
        self._backend = backend
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="redrive-aftermath", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is not told yet is told by the next worker."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        while not self._over.is_set():
            self._look()
            self._over.wait(EVERY_SECONDS)
        self._remains.close()

    @harmless
    def _look(self) -> None:
        found = self._remains.poll()
        succeeded = self._succeeded(found) if found else set()
        for run in found:
            if id(run) in succeeded:
                run.told()
            else:
                event = event_of(run, datetime.now(UTC), self._departing.of)
                self._publisher.publish(event, on_kept=run.told, instead=partial(bare, event))

    def _succeeded(self, found: list[LostRun]) -> set[int]:
        """Ask the result backend for as long as it may take; what it has not told by then counts as lost."""
        succeeded: set[int] = set()
        asking = threading.Thread(
            target=self._ask, args=(found, succeeded, time.monotonic() + ASK_SECONDS), name="redrive-ask", daemon=True
        )
        asking.start()
        asking.join(ASK_SECONDS)
        return set(succeeded)

    @harmless
    def _ask(self, found: list[LostRun], succeeded: set[int], until: float) -> None:
        backend = self._backend()
        if not keeps(backend):
            return
        for run in found:
            if time.monotonic() < until and _has_succeeded(backend, run.record):
                succeeded.add(id(run))


@harmless
def _has_succeeded(backend: Any, record: Mapping[str, Any]) -> bool:  # noqa: ANN401 - celery has no types
    """Tell whether a run's result was stored after it began: the worker died before it could write that down."""
    meta = backend.get_task_meta(record["task_id"], cache=False)
    if meta.get("status") != "SUCCESS":
        return False
    done = meta.get("date_done")
    done = datetime.fromisoformat(done) if isinstance(done, str) else done
    return done is None or done.replace(tzinfo=done.tzinfo or UTC).timestamp() >= record["started_at"]
