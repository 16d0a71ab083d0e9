"""Each kind of fault does what it says, begins and ends; what cannot be made is an error and no fault."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from loadtests.bed import faults
from loadtests.bed.engines import Files
from loadtests.bed.faults import FaultNotMade, running_in
from loadtests.bed.urls import embedded
from loadtests.processes import Process
from loadtests.proxy import Weather
from loadtests.scenarios.scenario import Fault, FaultKind, Link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# A worker with two children, whose ids it prints.
WORKER = """
import subprocess, sys, time
children = [subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) for _ in range(2)]
print(*(each.pid for each in children), flush=True)
time.sleep(60)
"""


@dataclass
class Turned:
    """A link that remembers its weather."""

    seen: list[tuple[Weather, float]] = field(default_factory=list)

    def turn(self, weather: Weather, amount: float) -> str:
        """Remember it."""
        self.seen.append((weather, amount))
        return "turned"


class Recorded:
    """A bed that notes what is done to it."""

    def __init__(self, folder: Path, servers: object) -> None:
        self.done: list[Any] = []
        self.started: dict[str, Process] = {}
        self.link = Turned()
        self.links = {Link.BUS: self.link}
        self.engines: Any = servers
        self.stamps = folder / "stamps.txt"

    def switch_provider(self, **state: str | float) -> None:
        """Note it."""
        self.done.append(state)

    def clear(self, link: Link) -> None:
        """Note it."""
        self.done.append(f"clear {link}")

    def stop(self, name: str) -> str:
        """Note it."""
        self.done.append(f"stop {name}")
        return name

    def kill(self, name: str) -> str:
        """Note it."""
        self.done.append(f"kill {name}")
        return name

    def again(self, name: str) -> None:
        """Note it."""
        self.done.append(f"again {name}")


@dataclass
class Two:
    """Engines with two servers."""

    database: str = "postgresql"
    broker: str = "rabbitmq"


@pytest.fixture
def bed(tmp_path: Path) -> Recorded:
    """A bed on servers."""
    return Recorded(tmp_path, Two())


@pytest.mark.parametrize(
    ("fault", "done"),
    [
        (Fault(FaultKind.PROVIDER_DOWN, 0, 1), [{"state": "down"}, {"state": "up"}]),
        (
            Fault(FaultKind.PROVIDER_RATE_LIMITED, 0, 1, amount=2),
            [{"state": "rate_limited", "retry_after": 2}, {"state": "up"}],
        ),
        (Fault(FaultKind.PROVIDER_SLOW, 0, 1, amount=0.5), [{"state": "slow", "slow": 0.5}, {"state": "up"}]),
        (Fault(FaultKind.PROVIDER_KILLED, 0, 1), ["kill provider", "again provider"]),
        (Fault(FaultKind.WORKER_KILLED, 0, 1), ["kill worker-on", "again worker-on"]),
        (Fault(FaultKind.ORCHESTRATOR_KILLED, 0, 1), ["kill orchestrator", "again orchestrator"]),
        (Fault(FaultKind.DATABASE_RESTARTED, 0, 1), ["stop postgresql", "again postgresql"]),
        (Fault(FaultKind.BROKER_RESTARTED, 0, 1), ["stop rabbitmq", "again rabbitmq"]),
        (Fault(FaultKind.LINK_CUT, 0, 1, Link.BUS), ["clear bus"]),
    ],
)
def test_a_fault_is_made_and_ended(bed: Recorded, fault: Fault, done: list[Any]) -> None:
    """What is done at its beginning is undone at its end."""
    assert faults.begin(bed, fault)
    faults.end(bed, fault)
    assert bed.done == done


@pytest.mark.parametrize(
    ("kind", "weather"),
    [
        (FaultKind.LINK_LATENCY, Weather.LATENCY),
        (FaultKind.LINK_CUT, Weather.CUT),
        (FaultKind.LINK_BLACK_HOLE, Weather.BLACK_HOLE),
        (FaultKind.LINK_BANDWIDTH, Weather.BANDWIDTH),
    ],
)
def test_a_link_is_turned(bed: Recorded, kind: FaultKind, weather: Weather) -> None:
    """The link gets the weather of the fault, with its amount."""
    faults.begin(bed, Fault(kind, 0, 1, Link.BUS, 3.0))
    assert bed.link.seen == [(weather, 3.0)]


def test_what_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """Files are not restarted, and a link that is not there is not cut: nobody may take it for made."""
    files = Recorded(tmp_path, Files(embedded(tmp_path)))
    with pytest.raises(FaultNotMade, match="expected engines that database_restarted can be made on"):
        faults.begin(files, Fault(FaultKind.DATABASE_RESTARTED, 0, 1))
    with pytest.raises(FaultNotMade, match="expected a link provider that can be turned"):
        faults.begin(files, Fault(FaultKind.LINK_CUT, 0, 1, Link.PROVIDER))


def test_every_kind_can_be_made() -> None:
    """No kind of fault is without its deed."""
    others = {FaultKind.CHILD_KILLED, FaultKind.WORKER_STOPPED}  # tested with real processes below
    known = set(faults.PROVIDER_STATES) | set(faults.OF_FAULT) | set(faults.KILLED) | set(faults.RESTARTED) | others
    assert known == set(FaultKind)


@pytest.fixture
def children(bed: Recorded, tmp_path: Path) -> Iterator[list[int]]:
    """The children of the bed's worker, which run."""
    popen = subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE, start_new_session=True)
    assert popen.stdout is not None
    worker = Process("worker-on", popen, tmp_path / "worker-on.log")
    bed.started["worker-on"] = worker
    yield [int(each) for each in popen.stdout.readline().split()]
    worker.signal(signal.SIGKILL)
    popen.wait()
    popen.stdout.close()


def test_the_child_that_has_a_run_is_killed(bed: Recorded, children: list[int]) -> None:
    """Of two children the one that the stamps name is killed, and the note has its run; what was before is over."""
    idle, busy = children
    bed.stamps.write_text(f"began old - 1.0 1.0 {idle}\n")

    def work() -> None:
        with bed.stamps.open("a") as stamps:
            stamps.write(f"began new - 2.0 2.0 {busy}\n")

    later = threading.Timer(0.2, work)
    later.start()
    note = faults.begin(bed, Fault(FaultKind.CHILD_KILLED, 0, 0))
    later.join()
    assert note == f"SIGKILL to child {busy} of worker-on, in run new"
    _await(lambda: psutil.Process(busy).status() == psutil.STATUS_ZOMBIE)
    assert psutil.Process(idle).status() != psutil.STATUS_ZOMBIE


def test_an_idle_child_is_killed_where_none_has_a_run(
    bed: Recorded, children: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the note says so: no call has failed by it."""
    monkeypatch.setattr(faults, "BUSY_SECONDS", 0.1)
    assert (
        faults.begin(bed, Fault(FaultKind.CHILD_KILLED, 0, 0)) == f"SIGKILL to child {min(children)} of worker-on, idle"
    )


def test_a_worker_is_stopped_with_its_children_and_goes_on(bed: Recorded, children: list[int]) -> None:
    """All of them stand still until the fault ends."""
    fault = Fault(FaultKind.WORKER_STOPPED, 0, 1)
    faults.begin(bed, fault)
    everybody = [bed.started["worker-on"].popen.pid, *children]
    _await(lambda: all(psutil.Process(each).status() == psutil.STATUS_STOPPED for each in everybody))
    faults.end(bed, fault)
    _await(lambda: all(psutil.Process(each).status() != psutil.STATUS_STOPPED for each in everybody))


def _await(holds: Callable[[], bool]) -> None:
    while not holds():
        threading.Event().wait(0.01)


def test_the_stamps_tell_who_has_a_run() -> None:
    """A run is its child's from its beginning to its end, whoever else ends meanwhile."""
    running = running_in({}, ["began a - 1 1 11", "received b - 1 1", "began b - 1 1 12", "ended a - 1 2 SUCCESS 0.1"])
    assert running == {12: "b"}
    assert running_in(running, ["ended b - 1 2 SUCCESS 0.1", "began c x 3 3 12"]) == {12: "c"}
