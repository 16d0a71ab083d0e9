"""One round: a worker under load loses its bus, is killed with its whole group, started again; then all is counted."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from celery import Celery

from orchestrator.dev.processes import Child, start
from tests.acceptance.field import ROOT
from tests.proxy import Cut, Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

SETTLE_SECONDS = 240.0
CHILDREN = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """What a round does: how the bus is cut, and after how many seconds of load what happens."""

    seed: int
    how: Cut
    cut_seconds: float
    rate: float = 5.0
    before: float = 2.0
    kill_at: float = 0.0
    task_seconds: tuple[float, float] = (0.0, 0.25)

    @classmethod
    def drawn(cls, seed: int, cut_seconds: float) -> Plan:
        """Draw the times of a round; odd seeds are black holes."""
        dice = random.Random(seed)
        return cls(
            seed=seed,
            how=list(Cut)[seed % 2],
            cut_seconds=cut_seconds,
            before=dice.uniform(0.5, 2),
            kill_at=dice.uniform(0.4, 0.95) * cut_seconds,
        )


@dataclass(frozen=True, slots=True)
class Tally:
    """What was raised and paid, by the tasks' own notes, and what the ledger and the event log hold."""

    plan: Plan
    sent: int
    raised: int
    in_ledger: int
    missing: frozenset[str]
    twice: frozenset[str]
    ways: Mapping[str, int]
    unexplained: frozenset[str]
    paid: int
    unpaid: frozenset[str]

    def __str__(self) -> str:
        """Tell it in one line."""
        ways = ", ".join(f"{count} {way}" for way, count in sorted(self.ways.items()))
        return (
            f"seed {self.plan.seed}, {self.plan.how} of {self.plan.cut_seconds:.0f} s, killed after "
            f"{self.plan.kill_at:.1f} s of it: {self.sent} sent, {self.raised} raised, {self.in_ledger} in the ledger "
            f"({ways}), {len(self.missing)} missing, {len(self.twice)} twice; "
            f"{self.paid} paid, {len(self.unpaid)} costs missing"
        )


@dataclass(slots=True)
class Round:
    """A worker on a broker that stays up, its bus behind a proxy, and an orchestrator that reads that bus itself."""

    folder: Path
    broker: str
    plan: Plan
    _children: list[Child] = field(default_factory=list)
    _sent: list[str] = field(default_factory=list)

    def run(self) -> Tally:
        """Do all of it, and count."""
        with Proxy(self.broker) as proxy:
            try:
                ready = self._start_orchestrator()
                worker = self._start_worker(proxy.url)
                self._until("the orchestrator to run", ready.exists)
                stop = threading.Event()
                load = threading.Thread(target=self._load, args=(stop,))
                load.start()
                worker = self._disturb(proxy, worker)
                stop.set()
                load.join()
                self._until("every task to end", self._all_ended)
                self._until("every event to arrive", self._all_arrived, give_up=False)
                worker.stop()
                self._until("nothing to change any more", self._settled(), give_up=False)
            finally:
                for child in reversed(self._children):
                    child.kill()
        return self._count()

    def _disturb(self, proxy: Proxy, worker: Child) -> Child:
        time.sleep(self.plan.before)
        proxy.cut(self.plan.how)
        time.sleep(self.plan.kill_at)
        worker.kill()
        back = time.monotonic() + self.plan.cut_seconds - self.plan.kill_at
        worker = self._start_worker(proxy.url)
        time.sleep(max(0.0, back - time.monotonic()))
        proxy.mend()
        return worker

    def _load(self, stop: threading.Event) -> None:
        dice = random.Random(self.plan.seed)
        with Celery("load", broker=self.broker, set_as_current=False) as app:
            app.conf.task_ignore_result = True
            while not stop.wait(dice.expovariate(self.plan.rate)):
                name = "cut.fail" if dice.random() < 0.8 else "cut.pay"
                self._sent.append(app.send_task(name, [dice.uniform(*self.plan.task_seconds)]).id)

    def _start_orchestrator(self) -> Path:
        databases = {
            f"REDRIVE_{name.upper()}_URL": f"sqlite:///{self.folder}/{name}.sqlite"
            for name in ("ledger", "eventlog", "warehouse")
        }
        environ = {
            "REDRIVE_BUS_URL": self.broker,
            "REDRIVE_API_PORT": "0",
            "REDRIVE_STACKSTORM_URL": "http://127.0.0.1:9",
            **databases,
        }
        ready = self.folder / "orchestrator.ready"
        told = ["--parts", "intake", "--ready-file", str(ready), "--parent-pid", str(os.getpid())]
        self._children.append(start("orchestrator", ["-m", "orchestrator", "run", *told], self.folder, environ))
        return ready

    def _start_worker(self, bus: str) -> Child:
        environ = {
            "CUT_BROKER": self.broker,
            "CUT_NOTES": str(self.folder / "notes"),
            "REDRIVE_BUS_URL": bus,
            "REDRIVE_SPOOL_DIR": str(self.folder / "spool"),
            "PYTHONPATH": str(ROOT),
        }
        options = ["-c", str(CHILDREN), "-n", "cut@here", "-l", "INFO", "--without-gossip", "--without-mingle"]
        command = ["-m", "celery", "-A", "tests.acceptance.cut_app", "worker", *options]
        log = self.folder / "worker.log"
        before = log.read_text().count(" ready.") if log.exists() else 0
        worker = start("worker", command, self.folder, environ)
        self._children.append(worker)
        self._until("the worker to be ready", lambda: log.read_text(errors="replace").count(" ready.") > before)
        return worker

    def _notes(self, what: str) -> Counter[str]:
        path = self.folder / "notes"
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return Counter(task_id for did, task_id in lines if did == what)

    def _rows(self, store: str, query: str) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(f"file:{self.folder}/{store}.sqlite?mode=ro", uri=True)) as database:
            return database.execute(query).fetchall()

    def _failed(self) -> list[str]:
        return [task_id for (task_id,) in self._rows("ledger", "SELECT task_id FROM failures")]

    def _logged(self, event_type: str) -> list[dict[str, object]]:
        """Give the data of each event of a type that the event log holds."""
        rows = self._rows("eventlog", f"SELECT body FROM events WHERE type = '{event_type}'")  # noqa: S608 - ours
        return [json.loads(body)["data"] for (body,) in rows]

    def _all_ended(self) -> bool:
        """Tell whether each task that was sent has noted its end, or is known to be lost."""
        return set(self._sent) <= set(self._notes("raised")) | set(self._notes("paid")) | set(self._failed())

    def _all_arrived(self) -> bool:
        costs = {data["task_id"] for data in self._logged("redrive.llm.call.v1")}
        return set(self._notes("raised")) <= set(self._failed()) and set(self._notes("paid")) <= costs

    def _settled(self) -> Callable[[], bool]:
        seen: list[int] = []

        def same() -> bool:
            seen.append(len(self._failed()))
            return len(seen) > 20 and len(set(seen[-20:])) == 1

        return same

    def _until(self, what: str, holds: Callable[[], bool], *, give_up: bool = True) -> None:
        deadline = time.monotonic() + SETTLE_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                assert not give_up, f"expected {what} within {SETTLE_SECONDS} s; see {self.folder}"
                return
            time.sleep(0.1)

    def _count(self) -> Tally:
        raised, paid, failed = self._notes("raised"), self._notes("paid"), Counter(self._failed())
        ways = dict(self._rows("ledger", "SELECT task_id, captured FROM failures"))
        killed = {task_id for task_id, way in ways.items() if way == "worker_killed"}
        costs = {str(data["task_id"]) for data in self._logged("redrive.llm.call.v1")}
        return Tally(
            plan=self.plan,
            sent=len(self._sent),
            raised=len(raised),
            in_ledger=len(failed),
            missing=frozenset(raised) - frozenset(failed),
            twice=frozenset(task_id for task_id, rows in failed.items() if rows > 1),
            ways=Counter(ways.values()),
            unexplained=frozenset(failed) - frozenset(raised) - killed,
            paid=len(paid),
            unpaid=frozenset(paid) - costs,
        )
