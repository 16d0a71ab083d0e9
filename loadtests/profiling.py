"""Flame graphs of processes while they are under load, drawn by py-spy; and why there is none, where there is none."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping

PER_SECOND: Final = 100
# py-spy names every frame and draws the graph once it is told to stop.
DRAWING_SECONDS: Final = 30.0
LOG_CHARACTERS: Final = 600
PTRACE_SCOPE: Final = Path("/proc/sys/kernel/yama/ptrace_scope")
REFUSED: Final = ("permission denied", "operation not permitted", "no python processes found")
FRAME: Final = re.compile(
    r'<title>(?P<name>[^<]*) \([\d,]+ samples?, [\d.]+%\)</title><rect [^>]*?y="(?P<y>\d+)"[^>]*?'
    r'fg:x="(?P<x>\d+)" fg:w="(?P<wide>\d+)"'
)


@dataclass(frozen=True, slots=True)
class Spy:
    """One py-spy beside one process; `graph` is what it draws at its end."""

    name: str
    pid: int
    popen: subprocess.Popen[bytes]
    graph: Path
    log: Path

    def stop(self) -> str | None:
        """Have it draw the graph; gives why there is none, or why it holds only a part of the run."""
        early = self.popen.poll() is not None
        if not early:
            self.popen.send_signal(signal.SIGINT)
        try:
            self.popen.wait(DRAWING_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        said = self.log.read_text(errors="replace") if self.log.is_file() else ""
        self.log.unlink(missing_ok=True)
        if not self.graph.is_file() or not self.graph.stat().st_size:
            self.graph.unlink(missing_ok=True)
            why = why_not(said, alive=psutil.pid_exists(self.pid))
            return f"expected a flame graph of {self.name} (process {self.pid}), got none: {why}"
        return f"the flame graph of {self.name} ends where its process {self.pid} ended" if early else None


@dataclass(slots=True)
class Profile:
    """Within the `with` block py-spy looks at each process and its children; the graphs are NAME.svg in `folder`.

    `seconds` is how long at most. py-spy does not pause what it looks at: a stack that changes while it is read is left
    out. `problems` say, once the block is left, what could not be drawn; a run is no worse for it.
    """

    folder: Path
    pids: Mapping[str, int]
    seconds: float | None = None
    problems: list[str] = field(default_factory=list)
    command: str | None = None
    _spies: list[Spy] = field(default_factory=list)

    def __enter__(self) -> Self:
        spy = self.command or found()
        if spy is None:
            self.problems.append("expected py-spy for flame graphs, got none; install the extra `loadtests`")
            return self
        self.folder.mkdir(parents=True, exist_ok=True)
        self._spies = [self._start(spy, name, pid) for name, pid in self.pids.items()]
        return self

    def __exit__(self, *_: object) -> None:
        self.problems += [said for spy in self._spies if (said := spy.stop())]
        self._spies = []

    def told(self) -> dict[str, Any]:
        """Give what the report tells: each graph, the functions that took most of it, and what is missing."""
        drawn = {name: self.folder / f"{name}.svg" for name in self.pids}
        graphs = {
            name: {"file": f"{self.folder.name}/{path.name}", "hottest": hottest(path)}
            for name, path in drawn.items()
            if path.is_file()
        }
        return {"graphs": graphs, "problems": list(self.problems)}

    def _start(self, spy: str, name: str, pid: int) -> Spy:
        graph, log = self.folder / f"{name}.svg", self.folder / f"{name}.log"
        command = [spy, "record", "--pid", str(pid), "--subprocesses", "--nonblocking", "--function"]
        command += ["--rate", str(PER_SECOND), "--format", "flamegraph", "--output", str(graph)]
        command += [] if self.seconds is None else ["--duration", str(max(1, round(self.seconds)))]
        with log.open("wb") as written:
            popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=written, stderr=subprocess.STDOUT, start_new_session=True
            )
        return Spy(name, pid, popen, graph, log)


def found() -> str | None:
    """Find py-spy beside this interpreter, or on the path."""
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.is_file() else shutil.which("py-spy")


def why_not(said: str, scope: Path = PTRACE_SCOPE, *, alive: bool = True) -> str:
    """Say in a sentence what py-spy's output means; where the system refused it, which right is missing.

    Of a process that it may not read, py-spy says with `--subprocesses` that it found no Python there.
    """
    told = said.lower()
    if not alive:
        return "there was no such process any more"
    if any(each in told for each in REFUSED):
        yama = f"kernel.yama.ptrace_scope is {scope.read_text().strip()}" if scope.is_file() else "without Yama"
        user = "as root" if os.geteuid() == 0 else "as no root"
        return (
            f"the system refuses to let one process read another ({user}, {yama}): it takes the capability "
            "SYS_PTRACE (docker run --cap-add SYS_PTRACE), or a ptrace_scope of 0 and the same user"
        )
    return " ".join(said.partition("Stack backtrace")[0].split())[-LOG_CHARACTERS:] or "py-spy said nothing"


def hottest(graph: Path, most: int = 5) -> list[tuple[str, float]]:
    """Give the functions in which most of a graph's samples ended, the most frequent first, each with its share.

    A frame's own samples are those that it is wide but its callees are not. Where a whole process waits, it has none.
    """
    frames = [
        (unescape(each["name"]), int(each["y"]), int(each["x"]), int(each["wide"]))
        for each in FRAME.finditer(graph.read_text(encoding="utf-8", errors="replace"))
    ]
    if not frames:
        return []
    rows: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for _, y, x, wide in frames:
        rows[y].append((x, wide))
    below = min((b - a for a, b in zip(sorted(rows), sorted(rows)[1:], strict=False)), default=0)
    own: Counter[str] = Counter()
    for name, y, x, wide in frames:
        own[name] += wide - sum(w for at, w in rows.get(y + below, ()) if below and x <= at < x + wide)
    whole = max(wide for _, _, _, wide in frames)
    return [(name, count / whole) for name, count in own.most_common(most) if count]
