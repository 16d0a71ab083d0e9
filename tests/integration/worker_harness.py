"""Runs a real prefork worker on `worker_app` and reads what it says on the bus."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from base64 import b64decode
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar
from uuid import uuid4

import kombu
from celery import Celery

import eventbus.transport  # noqa: F401 - registers redrive+sqlite://
from eventbus import topology, wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from celery.result import AsyncResult

PATIENCE = 30
WORKER_APP = "tests.integration.worker_app"
T = TypeVar("T")
CHECKOUT = Path(__file__).parents[2]


class WorkerBench:
    """One worker, its broker, its bus (the same unless said otherwise), its spool, and the file of its runs."""

    def __init__(
        self, folder: Path, broker: str, bus: str | None = None, app: str = WORKER_APP, **settings: str
    ) -> None:
        self.folder = folder
        self.broker = broker
        self.bus = bus or broker
        self.spool = folder / "spool"
        self._app = app
        self._seen: list[wire.Event] = []
        self._settings = {
            "BROKER": broker,
            "BACKEND": f"db+sqlite:///{folder}/results.sqlite",
            "REDRIVE_BUS_URL": self.bus,
            "REDRIVE_SPOOL_DIR": str(self.spool),
            "RUNS": str(folder / "runs"),
            **settings,
        }
        self._log = folder / "worker.log"
        self._worker: subprocess.Popen[bytes] | None = None
        self.app = Celery("caller", broker=broker, backend=self._settings["BACKEND"])

    def __enter__(self) -> Self:
        """Start the worker, and wait until it consumes."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the worker, and let go of the broker."""
        self.stop()
        self.app.close()

    def start(self, *options: str) -> None:
        """Start the worker, and wait until it consumes."""
        command = [sys.executable, "-m", "celery", "-A", self._app, "worker", "-c", "2"]
        environment = {**os.environ, **self._settings, "PYTHONPATH": str(CHECKOUT)}
        with self._log.open("wb") as log:
            self._worker = subprocess.Popen(
                [*command, "-Q", "celery,bulk", "--loglevel", "INFO", "--without-gossip", "--without-mingle", *options],
                env=environment, cwd=CHECKOUT, stdout=log, stderr=log,
            )  # fmt: skip
        self.wait_for(lambda: " ready." in self.log or None)

    def stop(self) -> None:
        """Stop the worker as an operator does; it must end by itself."""
        self.end(signal.SIGTERM)

    def end(self, by: signal.Signals) -> None:
        """End the worker by a signal, after which it must end by itself."""
        if self._worker is None:
            return
        worker, self._worker = self._worker, None
        worker.send_signal(by)
        try:
            worker.wait(PATIENCE)
        finally:
            worker.kill()

    def kill(self) -> None:
        """Kill the worker's main process, which can do nothing about it."""
        if self._worker is not None:
            worker, self._worker = self._worker, None
            worker.kill()
            worker.wait()

    @property
    def log(self) -> str:
        """What the worker wrote so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def runs(self) -> list[str]:
        """The lines of the tasks' own side-effect file."""
        path = Path(self._settings["RUNS"])
        return path.read_text().splitlines() if path.exists() else []

    @property
    def pid(self) -> int:
        """The worker's main process."""
        assert self._worker is not None
        return self._worker.pid

    def wait_for(self, look: Callable[[], T | None], seconds: float = PATIENCE, every: float = 0.05) -> T:
        """Give what `look` gives once it is not None."""
        deadline = time.monotonic() + seconds
        while (found := look()) is None:
            assert time.monotonic() < deadline, f"nothing came in {seconds} s; the worker says:\n{self.log[-4000:]}"
            assert self._worker is None or self._worker.poll() is None, f"the worker ended:\n{self.log[-4000:]}"
            time.sleep(every)
        return found

    def send(self, task: str, *args: Any, **kwargs: Any) -> AsyncResult:
        """Publish a task as a caller does."""
        return self.app.send_task(task, args=args, kwargs=kwargs)

    def events(self, event_type: str) -> list[wire.Event]:
        """Read what is on the bus by now, and give all events of a type that came so far."""
        with kombu.Connection(self.bus) as connection, closing(connection.channel()) as channel:
            for queue in topology.queues(self.bus):
                bound = queue(channel)
                bound.declare()
                while (message := bound.get()) is not None:
                    self._seen += wire.decode(message.body)
                    message.ack()
        return [event for event in self._seen if event.type == event_type]

    def wait_for_events(self, event_type: str, count: int) -> list[wire.Event]:
        """Wait for so many events of a type."""
        return list(self.wait_for(lambda: found if len(found := self.events(event_type)) >= count else None))


def republish(url: str, message: Mapping[str, Any], attempt_id: str, queue: str | None = None) -> None:
    """Publish a captured message again, as the orchestrator's redriver has to."""
    headers = wire.thaw(message["headers"]) | {wire.ATTEMPT_HEADER: attempt_id}
    for name in ("eta", "x-death", "x-first-death-queue", "x-first-death-reason", "x-first-death-exchange"):
        headers.pop(name, None)
    properties = wire.thaw(message["properties"])
    for name in ("expiration", "user_id"):
        properties.pop(name, None)
    with kombu.Connection(url) as connection:
        kombu.Producer(connection.channel()).publish(
            b64decode(message["body"]),
            exchange="" if queue else message["exchange"],
            routing_key=queue or message["routing_key"],
            headers=headers,
            content_type=message["content_type"],
            content_encoding=message["content_encoding"],
            compression=headers.get("compression"),
            mandatory=True,
            **properties,
        )


def new_id() -> str:
    """Make an id."""
    return str(uuid4())
