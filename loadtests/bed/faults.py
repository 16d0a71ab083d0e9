"""The faults of a scenario, made for real in a bed: what is done when each begins, and when it ends."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Final

import psutil

from loadtests.bed.links import OF_FAULT
from loadtests.scenarios.scenario import Fault, FaultKind, Link
from loadtests.stamps import Tail

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Protocol

    from loadtests.bed.engines import Engines
    from loadtests.bed.links import Turnable
    from loadtests.processes import Process

    class Broken(Protocol):
        """What faults need of a bed."""

        started: dict[str, Process]
        links: dict[Link, Turnable]
        engines: Engines | None

        @property
        def stamps(self) -> Path:
            """The file of the workers' stamps."""

        def switch_provider(self, **state: str | float) -> None:
            """Have the provider answer so from now on."""

        def clear(self, link: Link) -> None:
            """Let a link be as it was before its fault."""

        def stop(self, name: str) -> str:
            """Stop a process in order."""

        def kill(self, name: str) -> str:
            """End a process by SIGKILL."""

        def again(self, name: str) -> None:
            """Start it again."""


WORKER: Final = "worker-on"
KILLED: Final = {
    FaultKind.PROVIDER_KILLED: "provider",
    FaultKind.WORKER_KILLED: WORKER,
    FaultKind.ORCHESTRATOR_KILLED: "orchestrator",
}
# Which of the engines' servers goes and comes back.
RESTARTED: Final = {FaultKind.DATABASE_RESTARTED: "database", FaultKind.BROKER_RESTARTED: "broker"}
PROVIDER_STATES: Final = {
    FaultKind.PROVIDER_DOWN: "down",
    FaultKind.PROVIDER_RATE_LIMITED: "rate_limited",
    FaultKind.PROVIDER_SLOW: "slow",
}
# The provider's own word for what an amount is of.
AMOUNTS: Final = {FaultKind.PROVIDER_RATE_LIMITED: "retry_after", FaultKind.PROVIDER_SLOW: "slow"}
BUSY_SECONDS: Final = 3.0
LOOK_SECONDS: Final = 0.002


class FaultNotMade(RuntimeError):
    """A fault that could not be made: says what was expected and what was found."""


def begin(bed: Broken, fault: Fault) -> str:
    """Make a fault; gives a note of what was done. Raises FaultNotMade."""
    kind = fault.kind
    if kind in PROVIDER_STATES:
        bed.switch_provider(state=PROVIDER_STATES[kind], **_amount(fault))
        return f"provider {PROVIDER_STATES[kind]}"
    if kind in OF_FAULT and fault.target is not None:
        return _link_of(bed, fault.target).turn(OF_FAULT[kind], fault.amount or 0.0)
    if kind in KILLED:
        return bed.kill(KILLED[kind])
    if kind is FaultKind.CHILD_KILLED:
        return _kill_child(bed)
    if kind is FaultKind.WORKER_STOPPED:
        bed.started[WORKER].signal(signal.SIGSTOP)
        return f"SIGSTOP to {WORKER}, process {bed.started[WORKER].popen.pid}"
    return bed.stop(_server_of(bed, kind))


def end(bed: Broken, fault: Fault) -> None:
    """End a fault, and wait until what was killed serves again; raises ProcessFailed."""
    kind = fault.kind
    if kind in PROVIDER_STATES:
        bed.switch_provider(state="up")
    elif kind in OF_FAULT and fault.target is not None:
        bed.clear(fault.target)
    elif kind in KILLED:
        bed.again(KILLED[kind])
    elif kind is FaultKind.WORKER_STOPPED:
        bed.started[WORKER].signal(signal.SIGCONT)
    elif kind in RESTARTED:
        bed.again(_server_of(bed, kind))


def _server_of(bed: Broken, kind: FaultKind) -> str:
    """Name the server that a kind of fault restarts."""
    server = bed.engines and getattr(bed.engines, RESTARTED[kind])
    if not server:
        raise FaultNotMade(f"expected engines that {kind} can be made on, got SQLite files; use --engines real")
    return str(server)


def _amount(fault: Fault) -> dict[str, float]:
    return {AMOUNTS[fault.kind]: fault.amount or 0.0} if fault.kind in AMOUNTS else {}


def _link_of(bed: Broken, link: Link) -> Turnable:
    if link not in bed.links:
        raise FaultNotMade(f"expected a link {link} that can be turned, got none; name it in the scenario's faults")
    return bed.links[link]


def _kill_child(bed: Broken) -> str:
    """Kill a child of the pool that has a run; an idle one, and the note says so, where none has any for a while."""
    children = {each.pid for each in psutil.Process(bed.started[WORKER].popen.pid).children()}
    tail, running = Tail(bed.stamps), dict[int, str]()
    tail.new()
    deadline = time.monotonic() + BUSY_SECONDS
    while time.monotonic() < deadline:
        running = running_in(running, tail.new())
        busy = sorted(children & running.keys())
        if busy:
            os.kill(busy[0], signal.SIGKILL)
            return f"SIGKILL to child {busy[0]} of {WORKER}, in run {running[busy[0]]}"
        time.sleep(LOOK_SECONDS)
    if not children:
        raise FaultNotMade(f"expected a child of {WORKER} to kill, got none; see {WORKER}.log")
    child = min(children)
    os.kill(child, signal.SIGKILL)
    return f"SIGKILL to child {child} of {WORKER}, idle"


def running_in(before: dict[int, str], lines: Iterable[str]) -> dict[int, str]:
    """Tell by the stamps which process has which call's run: those of before and those begun, without the ended."""
    running = dict(before)
    for line in lines:
        kind, call, *rest = line.split()
        if kind == "began":
            running[int(rest[-1])] = call
        elif kind == "ended":
            running = {pid: each for pid, each in running.items() if each != call}
    return running
