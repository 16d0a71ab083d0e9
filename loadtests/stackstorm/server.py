"""The embedded StackStorm as a process that is watched: how soon it is ready, what CPU and memory it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0
POLL_SECONDS: Final = 0.001
TICKS: Final = os.sysconf("SC_CLK_TCK")
MEGABYTE: Final = 1024.0


@dataclass(frozen=True, slots=True)
class Server:
    """One that serves; `ready_seconds` is from the start of the process to its ready file."""

    pid: int
    url: str
    ready_seconds: float

    def cpu_seconds(self) -> float:
        """Add up what the server, its warm processes and the actions that have ended took, user and system."""
        return sum(sum(_stat(pid)[11:15]) for pid in self.processes()) / TICKS

    def memory_megabytes(self) -> tuple[float, float]:
        """Give the resident memory of the server and all below it: summed, and shared pages counted once.

        Below each warm process waits one that is forked ahead for its next action.
        """
        own = self.processes()
        found = [_memory(pid) for pid in {*own, *(child for each in own for child in _started(each))}]
        return sum(each["Rss:"] for each in found) / MEGABYTE, sum(each["Pss:"] for each in found) / MEGABYTE

    def processes(self) -> list[int]:
        """Give the server and the processes that it has started itself."""
        return [self.pid, *_started(self.pid)]


@contextmanager
def served(folder: Path, packs: Sequence[Path]) -> Iterator[Server]:
    """Serve packs until the block ends; state, configs and log lie in `folder`."""
    ready, log = folder / "ready.json", folder / "stackstorm.log"
    places = [part for pack in packs for part in ("--packs", str(pack))]
    command = ["-m", "orchestrator.stackstorm.embedded", *places, "--state", str(folder / "state")]
    ready.unlink(missing_ok=True)
    began = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *command, "--ready-file", str(ready), "--parent-pid", str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
            start_new_session=True,
        )
    try:
        while not ready.exists():
            if process.poll() is not None or time.monotonic() - began > READY_SECONDS:
                raise RuntimeError(f"expected the embedded StackStorm to serve, got: {log.read_text()}")
            time.sleep(POLL_SECONDS)
        yield Server(process.pid, json.loads(ready.read_text())["url"], time.monotonic() - began)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _started(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in _children_of(thread)]


def _children_of(thread: Path) -> list[str]:
    """Give what a thread has started; one that has ended since it was listed has nothing."""
    try:
        return (thread / "children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _stat(pid: int) -> list[int]:
    """Read the numbers of /proc/PID/stat from the third on; a word is 0."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(word) if word.lstrip("-").isdigit() else 0 for word in words]


def _memory(pid: int) -> dict[str, int]:
    """Read the kilobytes of /proc/PID/smaps_rollup by their names."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(value) for name, value, _ in (line.split() for line in lines)}
