"""Two lines for a Celery application: its failures, and how its tasks end, go to the bus.

    from eventbus.celery_plugin import install
    install(app)

What a task that succeeds pays is measured by `python -m loadtests bench plugin`; a bus that is dead costs it no more
(guarantee 4).
"""

from __future__ import annotations

import atexit
import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from celery import current_app, signals

import eventbus.transport  # noqa: F401 - makes redrive+sqlite:// a broker's URL
from eventbus import journal, recording
from eventbus.capture import keeping
from eventbus.consumer import watching
from eventbus.declaration import Declarations
from eventbus.declaration_file import from_file
from eventbus.guard import harmless
from eventbus.life import Life, executed_child, joined
from eventbus.limits import limits_of
from eventbus.losses import Losses
from eventbus.parent import Parent
from eventbus.publisher import Publisher
from eventbus.reporter import Reporter
from eventbus.resolving import resolver_of
from eventbus.secrecy import Secrecy
from eventbus.spool import folder_of
from eventbus.steps import Crew, PoolWatch, WorkerStep
from eventbus.tracer import Tracer
from eventbus.tracing import trace_workers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from billiard.einfo import ExceptionInfo
    from celery import Celery, Task
    from celery.worker import WorkController

    from eventbus.departing import Departing
    from eventbus.inflight import InFlight
    from eventbus.resolving import Resolver


def install(  # noqa: PLR0913 - each is one thing that an application may say
    app: Celery,
    *,
    bus_url: str | None = None,
    spool_dir: str | Path | None = None,
    declarations: Mapping[str, Mapping[str, Any]] | None = None,
    traces: bool | None = None,
    deny_headers: Iterable[str] = (),
    resolver: str | Resolver | None = None,
) -> Plugin:
    """Report the failures of `app`'s tasks to the bus; a second call for the same app changes nothing.

    `bus_url` is REDRIVE_BUS_URL by default, else the app's own broker; `spool_dir` is REDRIVE_SPOOL_DIR, else a folder
    under the user's state folder. `declarations` maps patterns of task names to what `redrive={...}` says on a task,
    as the file REDRIVE_DECLARATIONS_FILE does, which goes before it.
    `traces` (else REDRIVE_TRACES=1) sends a span of each task to OpenTelemetry's collector; it takes redrive[otel].
    Headers named in `deny_headers` never leave the worker, beside those of docs/secrets.md; `resolver`, a callable
    (task name, task id, path) -> value or "module:function", gives a redriven task its redacted arguments back.
    Raises DeclarationError, ResolverInvalid, LimitError; a worker refuses to start with a task declared wrongly.
    """
    if app not in _plugins:
        secrecy = Secrecy(app, Declarations(from_file(), declarations), tuple(deny_headers), resolver_of(resolver))
        plugin = Plugin(app, secrecy, bus_url, spool_dir)
        _plugins[app] = plugin
        plugin.connect()
        if traces if traces is not None else os.environ.get("REDRIVE_TRACES") == "1":
            trace_workers(app.main or "celery")
        recording.use(lambda: plugin.publisher)
    return _plugins[app]


def plugin_of(app: Celery) -> Plugin | None:
    """Give the plugin of an app; None for one that it was not installed for."""
    return _plugins.get(app)


class Plugin:
    """One application's plugin: what happens in the worker's parent, and what in each child of its pool."""

    def __init__(
        self,
        app: Celery,
        secrecy: Secrecy,
        bus_url: str | None,
        spool_dir: str | Path | None,
    ) -> None:
        self._app = app
        self._secrecy = secrecy
        self._declarations = secrecy.declarations
        self._bus_url = bus_url
        self._spool_dir = spool_dir
        self._losses = Losses()
        self._limits = limits_of()
        self._life: Life | None = None

    @property
    def declarations(self) -> Declarations:
        """What is declared by name pattern, and how a task's own declaration is read."""
        return self._declarations

    @property
    def spool_folder(self) -> Path:
        """The folder that holds what could not be sent yet."""
        return folder_of(self._spool_dir)

    @cached_property
    def publisher(self) -> Publisher:
        """The publisher, made when it is first needed: by then the app is configured."""
        self._secrecy.learn(self._bus)
        return Publisher(self._bus, folder_of(self._spool_dir), limits=self._limits, losses=self._losses)

    @cached_property
    def _bus(self) -> str:
        url = self._bus_url or os.environ.get(recording.BUS_URL) or self._app.conf.broker_write_url
        return url if isinstance(url, str) else str(self._app.connection_for_write().as_uri(include_password=True))

    @cached_property
    def departing(self) -> Departing:
        """What a failure's data goes through before it leaves this worker."""
        return self._secrecy.departing(folder_of(self._spool_dir))

    @cached_property
    def reporter(self) -> Reporter:
        """What turns runs into events."""
        return Reporter(self.publisher, self._declarations, self.departing)

    @cached_property
    def parent(self) -> Parent:
        """What the worker's main process knows of its runs."""
        return Parent(self._app, self.reporter, self._journal)

    @cached_property
    def tracer(self) -> Tracer:
        """What sees the runs of this process end."""
        return Tracer(self.reporter, self._journal)

    @property
    def _journal(self) -> InFlight:
        return self._life.journal if self._life else joined()

    def connect(self) -> None:
        """Ask Celery to be told; the signals are Celery's documented ones, the steps are of the worker's own kind."""
        self._app.redrive = self
        self._app.steps["worker"].update({WorkerStep, PoolWatch})
        for signal, receiver in (
            (signals.task_failure, self._on_failure),
            (signals.worker_process_init, self._on_child_start),
            (signals.worker_process_shutdown, self._on_child_exit),
            (signals.worker_shutdown, self._on_exit),
        ):
            signal.connect(receiver, weak=False)

    def prepare(self, worker: WorkController) -> None:
        """In the parent, before it forks: check every declaration, and hear of every message and its end."""
        self._losses.share()
        self._secrecy.check(folder_of(self._spool_dir))
        for task in self._app.tasks.values():
            self._declarations.of_task(task)
        self._life = Life(worker.hostname, journal.folder_of(self._spool_dir, self._bus))
        for task in self._app.tasks.values():
            task.Request = keeping(task.Request, self.parent)
        worker.consumer_cls = watching(worker.consumer_cls, self.parent, self._on_tasks_ready)
        atexit.register(self._on_exit)

    def resume(self, worker: WorkController) -> None:
        """In the parent, once the pool is up: hear of losses, and send what earlier processes could not."""
        self._losses.listen()
        if self.publisher.waiting_bytes:
            self.publisher.start()
        if self._life is not None:
            self._life.begin(Crew(worker), self.publisher, self.departing, lambda: self._app.backend)

    @harmless
    def _on_failure(
        self, sender: Task, task_id: str, exception: BaseException, einfo: ExceptionInfo | None, **_: Any
    ) -> None:
        if sender.app is self._running_app() and not self.parent.signalled(task_id):
            self.tracer.failed(sender, exception, einfo)

    @harmless
    def _on_tasks_ready(self, consumer: Any) -> None:  # noqa: ANN401 - celery has no types
        """In the parent, where the tasks of every pool but prefork run: see them end."""
        self.parent.connected(consumer)
        self._on_child_start()

    @harmless
    def _on_child_start(self, **_: Any) -> None:
        """In a process whose tasks are ready to run: see them end, and let none run an attempt that has ended."""
        for task in self._running_app().tasks.values():
            self.tracer.around(task, self._secrecy.resolver)

    def _running_app(self) -> Celery:
        """Give the app whose tasks run here: in a child that was executed, not forked, Celery's own copy of ours."""
        if self._life is not None or not executed_child():
            return self._app
        current = current_app._get_current_object()  # noqa: SLF001 - Celery's own way to it
        return current if current.main == self._app.main else self._app

    @harmless
    def _on_child_exit(self, **_: Any) -> None:
        if "publisher" in self.__dict__:
            self.publisher.close()

    @harmless
    def _on_exit(self, **_: Any) -> None:
        """In the parent, once its pool is gone; a cold shutdown comes here only by the end of the process."""
        if self._life is not None:
            self.parent.ending()
            self._life.end(self.publisher)
        self._losses.close()


_plugins: dict[Celery, Plugin] = {}
