"""Two lines for a Celery application: its failures, and how its tasks end, go to the bus.

    from eventbus.celery_plugin import install
    install(app)

A task that succeeds pays a few microseconds; a bus that is dead costs a task nothing (guarantee 4).
"""

from __future__ import annotations

import logging
import os
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final

from celery import bootsteps, signals

import eventbus.transport  # noqa: F401 - makes redrive+sqlite:// a broker's URL
from eventbus import telemetry
from eventbus.attempts import skipping
from eventbus.capture import keeping
from eventbus.declaration import Declarations
from eventbus.losses import Losses
from eventbus.publisher import Publisher
from eventbus.reporter import Reporter
from eventbus.spool import folder_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from billiard.einfo import ExceptionInfo
    from celery import Celery, Task
    from celery.app.task import Context
    from celery.worker import WorkController

log = logging.getLogger(__name__)

POOL_WATCH_SECONDS: Final = 0.5


def install(
    app: Celery,
    *,
    bus_url: str | None = None,
    spool_dir: str | Path | None = None,
    declarations: Mapping[str, Mapping[str, Any]] | None = None,
) -> Plugin:
    """Report the failures of `app`'s tasks to the bus; a second call for the same app changes nothing.

    `bus_url` is REDRIVE_BUS_URL by default, else the app's own broker; `spool_dir` is REDRIVE_SPOOL_DIR, else a folder
    under the user's state folder. `declarations` maps patterns of task names to what `redrive={...}` says on a task.
    Raises DeclarationError; a worker refuses to start with a task that is declared wrongly.
    """
    if app not in _plugins:
        plugin = Plugin(app, Declarations(declarations), bus_url, spool_dir)
        _plugins[app] = plugin
        plugin.connect()
        telemetry.use(lambda: plugin.publisher)
    return _plugins[app]


class Plugin:
    """One application's plugin: what happens in the worker's parent, and what in each child of its pool."""

    def __init__(
        self,
        app: Celery,
        declarations: Declarations,
        bus_url: str | None,
        spool_dir: str | Path | None,
    ) -> None:
        self._app = app
        self._declarations = declarations
        self._bus_url = bus_url
        self._spool_dir = spool_dir
        self._losses = Losses()

    @cached_property
    def publisher(self) -> Publisher:
        """The publisher, made when it is first needed: by then the app is configured."""
        url = self._bus_url or os.environ.get(telemetry.BUS_URL) or self._app.conf.broker_write_url
        if not isinstance(url, str):
            url = self._app.connection_for_write().as_uri(include_password=True)
        return Publisher(url, folder_of(self._spool_dir), losses=self._losses)

    @cached_property
    def reporter(self) -> Reporter:
        """What turns runs into events."""
        return Reporter(self.publisher, self._declarations)

    def connect(self) -> None:
        """Ask Celery to be told; the signals are Celery's documented ones, the step is one of the worker's own kind."""
        self._app.steps["worker"].update({WorkerStep, PoolWatch})
        for signal, receiver in (
            (signals.task_failure, self._on_failure),
            (signals.task_success, self._on_success),
            (signals.worker_process_init, self._on_child_start),
            (signals.worker_process_shutdown, self._on_exit),
            (signals.worker_shutdown, self._on_exit),
        ):
            signal.connect(receiver, weak=False)

    def prepare(self) -> None:
        """In the parent, before it forks: check every declaration, and keep the message of every task."""
        self._losses.share()
        for name, task in self._app.tasks.items():
            self._declarations.of(name, getattr(task, "redrive", None))
            task.Request = keeping(task.Request)

    def resume(self) -> None:
        """In the parent, once the pool is up: hear of losses, and send what earlier processes could not."""
        self._losses.listen()
        if self.publisher.has_leftovers:
            self.publisher.start()

    def _on_failure(self, sender: Task, exception: BaseException, einfo: ExceptionInfo | None, **_: Any) -> None:
        if sender.app is self._app:
            self.reporter.failed(sender, exception, str(einfo.traceback) if einfo else "")

    def _on_success(self, sender: Task, runtime: float | None = None, **_: Any) -> None:
        if sender.app is self._app:
            self.reporter.succeeded(sender, runtime)

    def _on_child_start(self, **_: Any) -> None:
        """In a prefork child, whose tasks are ready to run: let none of them run an attempt that has ended."""
        for task in self._app.tasks.values():
            if task.__trace__ is not None:
                task.__trace__ = skipping(task.__trace__, partial(self._ended_before, task))

    def _ended_before(self, task: Task, request: Context) -> bool:
        try:
            return self.reporter.ended_before(task, request)
        except Exception:
            log.exception("attempt.unknown: %s runs", request.id)
            return False

    def _on_exit(self, **_: Any) -> None:
        if "publisher" in self.__dict__:
            self.publisher.close()
        self._losses.close()


_plugins: dict[Celery, Plugin] = {}


class WorkerStep(bootsteps.StartStopStep):
    """The plugin's place in a worker's start: after its tasks are known, before it consumes."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: WorkController, **options: Any) -> None:
        """Prepare the tasks; a DeclarationError ends the worker's start."""
        super().__init__(worker, **options)
        _plugins[worker.app].prepare()

    def start(self, worker: WorkController) -> None:
        """Send what earlier processes left."""
        _plugins[worker.app].resume()

    def stop(self, worker: WorkController) -> None:
        """Leave the end to `worker_shutdown`, which comes after the pool's."""

    terminate = stop


class PoolWatch(bootsteps.StartStopStep):
    """Looks after the pool twice a second: Celery's own timer tells of a killed child up to five seconds late."""

    requires = ("celery.worker.components:Pool", "celery.worker.components:Hub")

    def register_with_event_loop(self, worker: WorkController, hub: Any) -> None:  # noqa: ANN401 - kombu has no types
        """Watch the pool from the worker's event loop; pools without children have nothing to look after."""
        maintain = getattr(worker.pool, "maintain_pool", None)
        if maintain is not None:
            hub.call_repeatedly(POOL_WATCH_SECONDS, maintain)
