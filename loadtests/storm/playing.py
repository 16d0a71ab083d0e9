"""A storm played: generator, orchestrator and sink as processes, watched from outside until all of it is redriven."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import requests

from loadtests import packs
from loadtests.engines import publishing
from loadtests.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from loadtests.processes import Processes

QUEUE: Final = "storm.work"
DEPENDENCY: Final = "storm-provider"
HEALTHY: Final = "healthy"
LOOK_SECONDS: Final = 1.0
HELD_LOOK_SECONDS: Final = 0.1
# With nothing new for so long, nothing more will come.
SILENCE_SECONDS: Final = 60.0
PEER_MESSAGES: Final = 2_000
PEER_ROUNDS: Final = 3
KILOBYTE: Final = 1024.0
# The window is wide open: what limits the rate then is the orchestrator. Canaries follow an outage of a minute closely.
OPEN: Final[Mapping[str, Any]] = {"in_flight": 10_000, "first_after_seconds": 1, "max_distance_seconds": 2}
OPENED: Final[Mapping[str, Any]] = {"max_in_flight": 10_000, "budget_rate": 100_000, "budget_burst": 100_000}


@dataclass(frozen=True, slots=True)
class Sample:
    """The orchestrator at one moment: unix time, resident memory in MB, failures that its ledger holds."""

    at: float
    memory_mb: float
    taken_in: int


@dataclass(slots=True)
class Played:
    """What a storm left behind. Times are unix time, None for what never came."""

    peer_per_second: float = 0.0
    generator: dict[str, Any] = field(default_factory=dict)
    held_at: float | None = None
    taken_in_at: float | None = None
    opened_at: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    incidents: list[dict[str, Any]] = field(default_factory=list)
    executions: list[dict[str, Any]] = field(default_factory=list)
    sink: dict[str, Any] = field(default_factory=dict)
    first_retry: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Storm:
    """One storm of `failures` within `seconds` on the bus at `url`."""

    processes: Processes
    engine: str
    url: str
    failures: int
    seconds: float
    ledger: str = ""
    played: Played = field(default_factory=Played)
    _stack: Stack = field(init=False)
    _sink: str = ""

    def _settings(self) -> dict[str, str]:
        """Declare the dependency: probed at the sink, with a budget that does not bound the rate."""
        table = dict(OPENED) | {"probe": {"http": f"{self._sink}/health", "every_seconds": 1}}
        return {"REDRIVE_DEPENDENCIES": json.dumps({DEPENDENCY: table})}

    def play(self) -> Played:
        """Play it from the peer's figure to the last redrive; raises ProcessFailed."""
        played = self.played
        played.peer_per_second = confirmed_per_second(self.engine, self.url)
        self._start()
        self._generate()
        self._until(self._all_taken_in, self._taken_in)
        if played.generator.get("sent") != self.failures:
            raise RuntimeError(f"expected a storm of {self.failures} failures on the bus, got {played.generator}")
        played.taken_in_at = time.time() if self._all_taken_in() else None
        played.opened_at = time.time()
        requests.post(f"{self._sink}/control", json={"up": True}, timeout=10).raise_for_status()
        self._until(self._all_redriven, self._succeeded)
        self._gather()
        return played

    def _start(self) -> None:
        folder = self.processes.folder
        command = ["-m", "loadtests.apps.sink", "--broker", self.url, "--queue", QUEUE, "--spool", str(folder / "sink")]
        self._sink = self.processes.serve("sink", command)["url"]
        copy = packs.changed(folder, {"retry": OPEN})
        self._stack = Stack(self.processes, self.url, copy, self.ledger, self._settings())
        self._stack.start()

    def _generate(self) -> None:
        folder = self.processes.folder
        size = ["--failures", str(self.failures), "--seconds", str(self.seconds)]
        places = ["--spool", str(folder / "spool"), "--queue", QUEUE, "--report", str(folder / "generator.json")]
        self.processes.serve("generator", ["-m", "loadtests.apps.storm", "--bus", self.url, *size, *places])
        began = time.time()
        while self.played.held_at is None and time.time() - began < self.seconds:
            self.played.held_at = self._held()
            time.sleep(HELD_LOOK_SECONDS)

    def _held(self) -> float | None:
        return held_since(self._stack.ask("/api/v1/dependencies")["dependencies"])

    def _until(self, reached: Callable[[], bool], moved: Callable[[], int]) -> None:
        """Look on until it is reached, or until nothing has moved for a while."""
        last, since = -1, time.monotonic()
        while not reached() and time.monotonic() - since < SILENCE_SECONDS:
            self.processes.refuse_ended()
            self._sample()
            if (now := moved()) != last:
                last, since = now, time.monotonic()
            time.sleep(LOOK_SECONDS)

    def _sample(self) -> None:
        sample = Sample(time.time(), memory_mb(self._stack.pid), self._taken_in())
        self.played.samples.append(sample)

    def _taken_in(self) -> int:
        return sum(self._stack.ask("/api/v1/summary")["failures"].values())

    def _all_taken_in(self) -> bool:
        report = self.processes.folder / "generator.json"
        if not report.exists():
            return False
        self.played.generator = json.loads(report.read_text())
        return self._taken_in() >= self.failures

    def _succeeded(self) -> int:
        self.played.sink = requests.get(f"{self._sink}/stats", timeout=10).json()
        return int(self.played.sink["succeeded"])

    def _all_redriven(self) -> bool:
        return self._succeeded() >= self.failures

    def _gather(self) -> None:
        self.played.incidents = [self._stack.ask(f"/api/v1/incidents/{each['id']}") for each in self._stack.incidents()]
        self.played.executions = self._stack.executions()
        self.played.first_retry = self._stack.ask("/api/v1/first-retry")


def held_since(dependencies: Sequence[Mapping[str, Any]]) -> float | None:
    """Tell since when the dependency is held (unix time, by the ledger): its gate waits for evidence since."""
    ours = next((each for each in dependencies if each["name"] == DEPENDENCY), {"health": HEALTHY})
    return None if ours["health"] == HEALTHY else datetime.fromisoformat(ours["since"]).timestamp()


def confirmed_per_second(engine: str, url: str) -> float:
    """Measure how many messages a second kombu publishes on this bus, one by one, each confirmed: the peer."""
    options = ["--options", json.dumps(publishing(engine))]
    command = [sys.executable, "-m", "loadtests.apps.transport_rates", url, str(PEER_MESSAGES), *options]
    rounds = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(PEER_ROUNDS)]
    return median(float(json.loads(each)["put"]) for each in rounds)


def memory_mb(pid: int) -> float:
    """Read the resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / KILOBYTE
