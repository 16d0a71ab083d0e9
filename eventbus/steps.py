"""The plugin's places in a worker's start, as bootsteps of Celery's own kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from celery import bootsteps
from celery.worker import state

if TYPE_CHECKING:
    from celery.worker import WorkController

    from eventbus.celery_plugin import Plugin

POOL_WATCH_SECONDS: Final = 0.5


class Crew:
    """Who works in a worker: read by its heartbeat, which takes an exception for nobody."""

    def __init__(self, worker: WorkController) -> None:
        self._worker = worker

    def pids(self) -> list[int]:
        """Give the processes of a prefork pool; every other pool has none."""
        return [child.pid for child in self._worker.pool._pool._pool]  # noqa: SLF001 - billiard shows them nowhere else

    def in_flight(self) -> int:
        """Count the tasks that the pool has accepted and not ended."""
        return len(state.active_requests)


class WorkerStep(bootsteps.StartStopStep):
    """After the worker's tasks are known, before it consumes."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: WorkController, **options: Any) -> None:
        """Prepare tasks and consumer; a DeclarationError ends the worker's start."""
        super().__init__(worker, **options)
        self._plugin: Plugin = worker.app.redrive
        self._plugin.prepare(worker)

    def start(self, worker: WorkController) -> None:
        """Send what earlier processes left, and report what died with them."""
        self._plugin.resume(worker)

    def stop(self, worker: WorkController) -> None:
        """Leave the end to `worker_shutdown` and the end of the process, which come after the pool's."""

    terminate = stop


class PoolWatch(bootsteps.StartStopStep):
    """Looks after the pool twice a second: Celery's own timer tells of a killed child up to five seconds late."""

    requires = ("celery.worker.components:Pool", "celery.worker.components:Hub")

    def register_with_event_loop(self, worker: WorkController, hub: Any) -> None:  # noqa: ANN401 - kombu has no types
        """Watch the pool from the worker's event loop; pools without children have nothing to look after."""
        maintain = getattr(worker.pool, "maintain_pool", None)
        if maintain is not None:
            hub.call_repeatedly(POOL_WATCH_SECONDS, maintain)
