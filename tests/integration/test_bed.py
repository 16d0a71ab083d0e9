"""A bed starts, is broken and mended for real, and leaves no process behind."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
import pytest
import requests

from loadtests.bed import programs
from loadtests.bed.bed import Bed
from loadtests.bed.engines import await_answer
from loadtests.bed.programs import EngineMissing
from loadtests.evidence import Arm
from loadtests.processes import Processes, ProcessFailed
from loadtests.scenarios.reading import load
from loadtests.scenarios.scenario import Bus, Engines, Fault, FaultKind, Link, Phase, PhaseKind
from loadtests.stamps import asked_of, read_lines, runs_of
from tests.services import lacking

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CUT = Fault(FaultKind.LINK_CUT, 0, 1, Link.PROVIDER)
DOWN = Fault(FaultKind.PROVIDER_DOWN, 0, 1)
STEP_SECONDS = 0.1


def bed_of(folder: Path, engines: Engines, *faults: Fault) -> Bed:
    """Give a bed whose scenario has one phase, with these faults."""
    phase = Phase("recovery", PhaseKind.RECOVERY, 60, faults=faults)
    return Bed(folder, replace(load("smoke"), engines=engines, phases=(phase,)))


def call(bed: Bed, times: int = 1) -> list[str]:
    """Have calls made; gives their ids."""
    body = {"context_tokens": 10, "generated_tokens": 50}
    return [requests.post(f"{bed.front}/calls", json=body, timeout=20).json()["id"] for _ in range(times)]


def succeeded(bed: Bed) -> set[str]:
    """Give the calls of which a run has succeeded."""
    return {each.id for each in runs_of(read_lines(bed.stamps)) if each.state == "SUCCESS"}


def until(holds: Callable[[], bool]) -> None:
    """Wait; the test's time-out ends what never holds."""
    while not holds():
        threading.Event().wait(STEP_SECONDS)


def family(pids: dict[str, int]) -> list[psutil.Process]:
    """Give these processes, and all that they have started."""
    parents = [psutil.Process(pid) for pid in pids.values()]
    return parents + [child for parent in parents for child in parent.children(recursive=True)]


def assert_gone(everybody: list[psutil.Process]) -> None:
    """See that all have ended; what the system has not yet cleared away of one is no process."""
    _, alive = psutil.wait_procs(everybody, timeout=10)
    assert not [each for each in alive if each.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.slow
def test_calls_go_to_the_arm_that_is_told_and_what_fails_comes_back(tmp_path: Path) -> None:
    """Each arm's worker runs what it is given; calls that met an outage, a cut link and a kill succeed in the end."""
    with bed_of(tmp_path, Engines.EMBEDDED, CUT) as bed:
        bed.start()
        wanted = set()
        for arm in Arm:
            bed.use(arm, str(arm))
            wanted |= set(call(bed))
        until(lambda: wanted <= succeeded(bed))
        bed.use(Arm.ON, "recovery")
        for fault in (DOWN, CUT, Fault(FaultKind.PROVIDER_KILLED, 0, 1)):
            before = len(asked_of(read_lines(bed.provider_log)))
            bed.begin(fault)
            broken = set(call(bed, 3))
            until(lambda broken=broken: broken <= {run.id for run in runs_of(read_lines(bed.stamps)) if run.state})
            assert not broken & succeeded(bed), fault
            assert (len(asked_of(read_lines(bed.provider_log))) > before) is (fault is DOWN)
            bed.end(fault)
            until(lambda broken=broken: broken <= succeeded(bed))
        everybody = family(bed.pids())
        assert {"worker-off", "worker-on", "worker-traced", "orchestrator", "stackstorm", "provider", "front"} <= set(
            bed.pids()
        )
    assert_gone(everybody)


def test_a_bus_that_is_down_delays_no_call(tmp_path: Path) -> None:
    """While nobody can write to the event bus's file, calls succeed; what they say arrives when it is up again."""
    with bed_of(tmp_path, Engines.EMBEDDED) as bed:
        bed.start()
        bed.weather(Bus.DOWN)
        with (
            closing(sqlite3.connect(tmp_path / "bus.sqlite", timeout=0)) as bus,
            pytest.raises(sqlite3.OperationalError),
        ):
            bus.execute("BEGIN IMMEDIATE")
        bed.use(Arm.ON, "down")
        wanted = set(call(bed, 3))
        until(lambda: wanted <= succeeded(bed))
        assert not events_of(tmp_path)
        bed.weather(Bus.UP)
        until(lambda: len(events_of(tmp_path)) >= len(wanted))
        assert bed.waiting() is not None


def events_of(folder: Path) -> list[Any]:
    """Give the events of model calls that the event log has."""
    with closing(sqlite3.connect(folder / "eventlog.sqlite")) as log:
        return log.execute("SELECT type FROM events WHERE type LIKE 'redrive.llm.call%'").fetchall()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_servers_of_the_runs_own_are_restarted_and_gone_at_the_end(tmp_path: Path) -> None:
    """On real engines database, broker and each link are broken and mended, and every call succeeds in the end."""
    faults = (
        Fault(FaultKind.LINK_CUT, 0, 1, Link.BUS),
        Fault(FaultKind.LINK_CUT, 0, 1, Link.DATABASE),
        Fault(FaultKind.DATABASE_RESTARTED, 0, 1),
        Fault(FaultKind.BROKER_RESTARTED, 0, 1),
    )
    with servers(bed_of(tmp_path, Engines.REAL, *faults)) as bed:
        bed.use(Arm.ON, "recovery")
        for fault in faults:
            assert bed.begin(fault)
            bed.end(fault)
            wanted = set(call(bed, 3))
            until(lambda wanted=wanted: wanted <= succeeded(bed))
        until(lambda: bed.ask("/api/v1/summary")["failures"] == {})
        everybody, engines = family(bed.pids()), bed.engines
        assert {"postgresql", "rabbitmq", "redis", "epmd"} <= set(bed.pids())
        cluster = engines._cluster
        assert cluster.exists()
    assert_gone(everybody)
    assert not cluster.exists()


class servers:  # noqa: N801 - reads as a verb in the test's `with`
    """Start a bed on real engines; a machine without a program skips the test, or fails where CI is set."""

    def __init__(self, bed: Bed) -> None:
        self.bed = bed

    def __enter__(self) -> Bed:
        self.bed.__enter__()
        try:
            self.bed.start()
        except EngineMissing as error:
            raise lacking(str(error)) from error
        except BaseException:
            self.bed.__exit__()
            raise
        return self.bed

    def __exit__(self, *_: object) -> None:
        self.bed.__exit__()


def test_a_missing_program_leaves_nothing_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real engines on a machine without RabbitMQ are an error that names the package, and nothing has started."""

    def missing() -> Path:
        raise EngineMissing("rabbitmq-server on the PATH", "rabbitmq-server")

    monkeypatch.setattr(programs, "rabbitmq", missing)
    bed = bed_of(tmp_path, Engines.REAL)
    with pytest.raises(EngineMissing), bed:
        bed.start()
    assert bed.pids() == {}


def test_a_server_that_ends_is_noticed(tmp_path: Path) -> None:
    """A program that dies by itself ends its process of the run, which says what it died of."""
    redis = shutil.which("redis-server")
    if redis is None:
        raise lacking("expected redis-server on the PATH, got none")
    with Processes(tmp_path) as processes:
        command = [
            "-m",
            "loadtests.bed.server",
            "--port",
            "1",
            *processes.told("server"),
            "--",
            redis,
            "--port",
            "not-one",
        ]
        with pytest.raises(ProcessFailed, match=r"expected .*redis-server to run until it is stopped, got exit code 1"):
            processes.await_ready(processes.start("server", command))


KILLED = """
import os, sys, signal
from pathlib import Path
from loadtests.bed.ports import free_port
from loadtests.processes import Processes
processes, port = Processes(Path(sys.argv[1])), str(free_port())
redis = [sys.argv[2], "--port", port, "--dir", sys.argv[1], "--save", ""]
command = ["-m", "loadtests.bed.server", "--port", port, *processes.told("server"), "--", *redis]
print(processes.await_ready(processes.start("server", command))["pid"], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_server_ends_with_a_run_that_is_killed(tmp_path: Path) -> None:
    """Where nobody is left to stop it, it stops by itself, and leaves no file where the run was started."""
    redis = shutil.which("redis-server")
    if redis is None:
        raise lacking("expected redis-server on the PATH, got none")
    command = [sys.executable, "-c", KILLED, tmp_path / "run", redis]
    started_in = tmp_path / "started-in"
    for each in (tmp_path / "run", started_in):
        each.mkdir()
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=started_in)
    assert run.returncode == -signal.SIGKILL, run.stderr
    until(lambda: not psutil.pid_exists(int(run.stdout)))
    assert list(started_in.iterdir()) == []


def test_a_database_that_never_answers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for it ends with PostgreSQL's own error."""
    monkeypatch.setattr("loadtests.bed.engines.ANSWER_SECONDS", 0.1)
    with pytest.raises(psycopg.OperationalError):
        await_answer("postgresql://postgres@127.0.0.1:1/x")
