"""Real workers that die, and an orchestrator's eyes on them: the bus, the ledger, and the result backend."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Self, TypeVar
from uuid import uuid4

import kombu
from celery import Celery

from eventbus import topology, wire
from orchestrator.bus.consumer import BusConsumer
from orchestrator.bus.results import open_results
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.flows.intake import Intake
from orchestrator.flows.orphans import Orphans
from orchestrator.flows.recording import Recorder
from orchestrator.flows.witnesses import Times
from orchestrator.flows.workers import all_workers, note_reading
from orchestrator.ledger.sql import SqlLedger
from tests.scene import NoPricing

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.domain.standing import StoredFailure

PATIENCE = 60
BEAT = 0.5
POOL = 2
CHECKOUT = Path(__file__).parents[2]
T = TypeVar("T")


def clock() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


def wait_for(look: Callable[[], T | None]) -> T:
    """Give what `look` gives once it is not None."""
    deadline = time.monotonic() + PATIENCE
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"nothing came in {PATIENCE} s"
        time.sleep(0.1)
    return found


class WatchedWorker:
    """A worker of `orphan_app`; without the plugin, heartbeats go out for it as the plugin sends them, faster."""

    def __init__(self, folder: Path, name: str, bus: str, **environ: str) -> None:
        self.name = f"{name}@here"
        self._bus = bus
        self._boot = str(uuid4())
        self._over = Event()
        self._log = folder / f"{name}.log"
        command = [sys.executable, "-m", "celery", "-A", "tests.integration.orphan_app", "worker", "-c", "2"]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "-n", self.name, "--loglevel", "INFO", "--without-gossip", "--without-mingle"],
                env={**os.environ, **environ, "PYTHONPATH": str(CHECKOUT)},
                cwd=CHECKOUT, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._thread = Thread(target=self._beat, daemon=True)
        self._silent = "PLUGIN" in environ

    def begin(self) -> None:
        """Wait until it consumes, and let its heart beat."""
        wait_for(self._ready)
        if not self._silent:
            self._thread.start()

    def _ready(self) -> bool | None:
        said = self._log.read_text(errors="replace")
        assert self.process.poll() is None, f"the worker ended:\n{said[-4000:]}"
        return " ready." in said or None

    def kill(self) -> None:
        """Kill the whole worker, as a machine that loses its power does."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(PATIENCE)
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)

    def children(self) -> list[int]:
        """List the processes of its pool."""
        pid = self.process.pid
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def _beat(self) -> None:
        with kombu.Connection(self._bus, transport_options={"confirm_publish": True}) as connection:
            producer = connection.Producer(exchange=topology.EXCHANGE)
            while not self._over.wait(BEAT):
                producer.publish(
                    wire.encode([self._event()]),
                    routing_key=topology.OUTCOMES,
                    content_type=wire.CONTENT_TYPE,
                    retry=True,
                )

    def _event(self) -> wire.Event:
        now = clock().isoformat()
        data = {
            "worker": self.name, "host": "here", "pid": self.process.pid, "boot": self._boot, "state": "running",
            "started_at": now, "seen_at": now, "children": self.children(), "in_flight": 1, "every_seconds": BEAT,
        }  # fmt: skip
        return wire.Event(str(uuid4()), "urn:redrive:test", wire.WORKER_SEEN, clock(), data)


@dataclass
class OrphanField:
    """The orchestrator's side, in this process: its intake reads the bus, the search is moved by the test."""

    folder: Path
    broker: str
    backend: str
    ledger: SqlLedger = field(default_factory=SqlLedger.in_memory)
    times: Times = field(default_factory=lambda: Times(orphan_grace=3, redelivery_grace=600, worker_slack=1))
    _stop: Event = field(default_factory=Event)
    _workers: list[WatchedWorker] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Begin to read the bus."""
        self.bus = f"redrive+sqlite:///{self.folder}/bus.sqlite"
        self.app = Celery("caller", broker=self.broker, backend=self.backend)
        intake = Intake(MemoryEventLog(), self.ledger, NoPricing(), Recorder(), clock, lambda: 0.5)
        consumer = BusConsumer(self.bus, ("failures", "outcomes"), intake.handle, self._drained)
        self._thread = Thread(target=consumer.run, args=(self._stop,), daemon=True)
        self._thread.start()
        self.search = Orphans(self.ledger, open_results(self.backend), intake.handle, clock, self.times)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything."""
        for worker in self._workers:
            worker.kill()
        self._stop.set()
        self._thread.join(PATIENCE)
        self.app.close()

    def _drained(self) -> None:
        with self.ledger.transaction() as tx:
            note_reading(tx, clock())

    def worker(self, name: str, **environ: str) -> WatchedWorker:
        """Start a worker, and wait until the ledger has heard of it."""
        made = WatchedWorker(self.folder, name, self.bus, BROKER=self.broker, BACKEND=self.backend, **environ)
        self._workers.append(made)
        made.begin()
        wait_for(lambda: self.fates().get(made.name))
        return made

    def send(self, task: str, seconds: float) -> str:
        """Publish a task."""
        return str(self.app.send_task(f"orphan_app.{task}", args=[seconds]).id)

    def started_on(self, task_id: str) -> str | None:
        """Tell which worker the backend names for a task that is STARTED."""
        task = self.search.results.state_of([task_id]).get(task_id)
        return task.worker if task and task.state == "STARTED" else None

    def fates(self) -> dict[str, str]:
        """Tell what became of each worker, as the ledger knows it."""
        with self.ledger.transaction() as tx:
            return {
                each.worker.beat.worker: str(each.fate) for each in all_workers(tx, clock(), self.times.worker_slack)
            }

    def busy(self, name: str) -> bool:
        """Tell whether a worker has said that a task runs, and in which children it may."""
        with self.ledger.transaction() as tx:
            return any(each.beat.in_flight and len(each.beat.children) >= POOL for each in tx.workers([name]))

    def look(self) -> None:
        """Go once over the whole backend."""
        while not self.search.run_once().over:
            pass

    @property
    def failures(self) -> list[StoredFailure]:
        """All failures."""
        with self.ledger.transaction() as tx:
            return [each for incident in tx.incidents([], 100, None) for each in tx.failures_of(incident.id, 100)]

    def found(self) -> list[StoredFailure] | None:
        """Look once; what was found, None while there is nothing."""
        self.look()
        return self.failures or None

    def beats(self) -> dict[str, datetime]:
        """Tell when each worker was heard last."""
        with self.ledger.transaction() as tx:
            return {each.beat.worker: each.last_seen for each in tx.workers()}

    def rounds(self, count: int) -> None:
        """Look so many times, each after something was heard of the workers and the grace had its time."""
        for _ in range(count):
            self.look()
            before = max(self.beats().values())
            wait_for(lambda before=before: (max(self.beats().values()) - before).total_seconds() >= BEAT or None)
