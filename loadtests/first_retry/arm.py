"""One contestant: its own bus, provider and worker, and with Redrive the orchestrator and StackStorm beside them."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import requests

from loadtests import packs
from loadtests.engines import opened
from loadtests.first_retry.policies import REDRIVE
from loadtests.first_retry.record import Record, requests_in, steps_in
from loadtests.first_retry.settings import environ, retry_defaults
from loadtests.processes import Processes
from loadtests.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

    from loadtests.first_retry.plan import Plan

CHILDREN: Final = 4
# The ledger hears of the last outcomes a little after the worker has noted them.
AGREE_SECONDS: Final = 15.0
LOOK_SECONDS: Final = 0.5
# A line is in its file by then.
WRITTEN_SECONDS: Final = 0.5
QUEUE: Final = "celery"


@dataclass(slots=True)
class Arm:
    """A contestant in a folder of its own; leaving the `with` block stops it."""

    name: str
    folder: Path
    plan: Plan
    engine: str
    zero: float = 0.0
    bus: str = ""
    provider: str = ""
    _processes: Processes = field(init=False)
    _stack: Stack | None = None
    _exits: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        self.bus = self._exits.enter_context(opened(self.engine, self.folder))
        self._processes = self._exits.enter_context(Processes(self.folder))
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    @property
    def _plan_file(self) -> Path:
        return self.folder / "plan.json"

    def start(self) -> None:
        """Start everything but the calls; raises ProcessFailed."""
        self._plan_file.write_text(self.plan.text())
        given = ["--plan", str(self._plan_file), "--log", str(self.folder / "requests.txt")]
        self.provider = self._processes.serve("provider", ["-m", "loadtests.apps.faulty_provider", *given])["url"]
        if self.name == REDRIVE:
            copy = packs.changed(self.folder, {"retry": retry_defaults(self.plan)})
            self._stack = Stack(self._processes, self.bus, copy, environ=environ(self.plan, self.provider))
            self._stack.start()
        self._start_worker()

    def _start_worker(self) -> None:
        given = {
            "CONTESTANT": self.name,
            "BROKER": self.bus,
            "BACKEND": f"db+sqlite:///{self.folder / 'results.sqlite'}",
            "PROVIDER": self.provider,
            "PLAN": str(self._plan_file),
            "RUNS": str(self.folder / "runs.txt"),
            "READY_FILE": str(self._processes.ready_file("worker")),
            "PARENT_PID": str(os.getpid()),
            "REDRIVE_SPOOL_DIR": str(self.folder / "spool"),
        }
        options = ["-c", str(CHILDREN), "-Q", QUEUE, "-l", "ERROR", "--without-gossip", "--without-mingle"]
        command = ["-m", "celery", "-A", "loadtests.apps.first_retry_app", "worker", *options]
        self._processes.await_ready(self._processes.start("worker", command, given))

    def begin(self, zero: float) -> None:
        """Let the plan begin at a moment (unix time), with its calls."""
        self.zero = zero
        requests.post(f"{self.provider}/begin", json={"zero": zero}, timeout=10).raise_for_status()
        given = ["--plan", str(self._plan_file), "--broker", self.bus, "--zero", str(zero)]
        report = ["--report", str(self.folder / "fed.json")]
        self._processes.serve("feed", ["-m", "loadtests.apps.first_retry_feed", *given, *report])

    def over(self) -> bool:
        """Tell whether nothing recoverable is left, or the time is up; raises ProcessFailed."""
        self._processes.refuse_ended()
        last = max([self.plan.seconds, *(each.ends for each in self.plan.windows)])
        now = time.time() - self.zero
        if now < last or not (self.folder / "fed.json").exists():
            return False
        return now > last + self.plan.drain_seconds or not self.record().waits_for()

    def record(self) -> Record:
        """Read what was noted so far, both records up to one moment: they go on while they are read."""
        until = time.time() - WRITTEN_SECONDS
        steps, asked = steps_in(self.folder / "runs.txt"), requests_in(self.folder / "requests.txt")
        return Record(
            self.plan,
            self.zero,
            [step for step in steps if step.at <= until],
            [each for each in asked if each.at <= until],
        )

    def ledger(self) -> dict[str, int] | None:
        """Ask the orchestrator for its own counts, once they have stopped to change; None for other contestants."""
        if self._stack is None:
            return None
        deadline, before = time.monotonic() + AGREE_SECONDS, dict[str, Any]()
        while (counts := self._stack.ask("/api/v1/first-retry")) != before or counts.get("first_in_flight"):
            if time.monotonic() > deadline:
                break
            before = counts
            time.sleep(LOOK_SECONDS)
        return {name: int(value) for name, value in counts.items()}

    def incidents(self) -> list[dict[str, Any]]:
        """Give the incidents of Redrive's arm."""
        return self._stack.incidents() if self._stack else []
