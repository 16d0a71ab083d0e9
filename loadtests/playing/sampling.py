"""What the processes take and what waits, looked at while a scenario is played: a thread for each."""

from __future__ import annotations

import sqlite3
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

import psutil
import requests

from loadtests.evidence import MACHINE, Backlog, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
PROCESS_SECONDS: Final = 1.0
BACKLOG_SECONDS: Final = 2.0
# Faults take the API away for some looks; with more left out, the run was not looked at.
FEW_MISSED: Final = 5
MOST_MISSED: Final = 0.2
BUSY_KINDS: Final = ("user", "nice", "system", "irq", "softirq", "steal")


@dataclass(slots=True)
class Watch(Generic[T]):
    """Looks every so many seconds until the `with` block ends; `seen` is what it saw, in order.

    A look that finds nobody (a process that a fault has killed, an API that is down) is left out, and counted. What
    else a look raises ends the watch; that, or many looks left out, is a `problem` of the run.
    """

    look: Callable[[], list[T]]
    every: float
    seen: list[T] = field(default_factory=list)
    missed: int = 0
    looks: int = 0
    broken: Exception | None = None
    _end: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        if self._thread:
            self._thread.join()

    @property
    def problem(self) -> str | None:
        """Say what keeps it from having seen the run, None where nothing does."""
        if self.broken is not None:
            return f"expected to look at the run to its end, got {self.broken!r} after {self.looks} looks"
        if self.missed > FEW_MISSED and self.missed > self.looks * MOST_MISSED:
            return f"expected to look at the run all along, got nothing in {self.missed} of {self.looks} looks"
        return None

    def _run(self) -> None:
        while not self._end.is_set():
            began = time.monotonic()
            self.looks += 1
            try:
                self.seen += self.look()
            except (OSError, requests.RequestException, psutil.Error, sqlite3.Error):
                self.missed += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, the run is told of it
                self.broken = error
                return
            self._end.wait(max(0.0, began + self.every - time.monotonic()))


def processes(pids: Mapping[str, int]) -> list[Sample]:
    """Look at each process with all its descendants; one that is gone is left out."""
    found = []
    for name, pid in pids.items():
        try:
            found.append(tree(name, pid))
        except psutil.NoSuchProcess:
            continue
    return found


def machine() -> Sample:
    """Look at the whole machine: processor time that was not idle, memory in use; what others take is in it."""
    spent = psutil.cpu_times()
    busy = sum(getattr(spent, kind, 0.0) for kind in BUSY_KINDS)
    return Sample(time.monotonic(), MACHINE, busy, psutil.virtual_memory().used, 0)


def tree(name: str, pid: int) -> Sample:
    """Add up a process and its descendants; processor time of those that have ended counts on. Raises psutil.Error."""
    root = psutil.Process(pid)
    cpu, rss, handles = 0.0, 0, 0
    for each in [root, *root.children(recursive=True)]:
        try:
            with each.oneshot():
                cpu += sum(each.cpu_times()[:4])
                rss += each.memory_info().rss
                handles += each.num_fds()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            if each is root:
                raise
    return Sample(time.monotonic(), name, cpu, rss, handles)


def backlog(ask: Callable[[str], dict[str, Any]], waiting: Callable[[], int | None]) -> list[Backlog]:
    """Look at what waits; how many calls are unfinished is known at the end only, and 0 here."""
    at = time.monotonic()
    failures = ask("/api/v1/summary")["failures"]
    sinks = {name: int(each["pending"]) for name, each in ask("/api/v1/sinks").items()}
    return [Backlog(at, waiting(), 0, sinks, failures)]
