"""The processes of a load test: started with a ready file each, stopped in the reverse order, none left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

READY_SECONDS: Final = 60.0
# `redrive dev` stops three processes of its own, one after the other.
STOP_SECONDS: Final = 35.0
POLL_SECONDS: Final = 0.05
NICENESS: Final = 5
LOG_CHARACTERS: Final = 2_000
# What a shell exports for a program of ours, or for Locust, is for nobody of a run: a token, or traces switched on,
# would change what is measured.
OURS: Final = ("REDRIVE_", "OTEL_", "LLM_APP_", "LOADTESTS_", "LOCUST_")


class ProcessFailed(RuntimeError):
    """A process of the load test that did not come up, or that ended by itself; its log says why."""

    def __init__(self, name: str, got: str, log: Path) -> None:
        tail = log.read_text(errors="replace")[-LOG_CHARACTERS:] if log.exists() else ""
        super().__init__(f"expected {name} to run, got {got}; its log {log} ends with:\n{tail}")


@dataclass(frozen=True, slots=True)
class Process:
    """One process, in a session of its own so that Ctrl-C reaches only who started it."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    command: Sequence[str] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None

    def stop(self) -> None:
        """End it with SIGTERM, then with SIGKILL what does not listen or was left behind by it."""
        if self.popen.poll() is None:
            self.popen.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.popen.wait(STOP_SECONDS)
        self.signal(signal.SIGKILL)
        self.popen.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and to all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, number)


@dataclass(slots=True)
class Processes:
    """All processes of one run; leaving the `with` block stops them. Logs and ready files go to `folder`.

    Those named in `behind` wait for the processor where others want it too, as if they had a machine of their own;
    those in `processors` run on these alone.
    """

    folder: Path
    behind: Collection[str] = ()
    processors: Mapping[str, Collection[int]] = field(default_factory=dict)
    _started: list[Process] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._started:
            self._started.pop().stop()

    def stop_all(self, last: Collection[str] = ()) -> None:
        """Tell all at once to stop, and wait until each has; then those named in `last`, which the others need."""
        self._stop_together([each for each in self._started if each.name not in last])
        self._stop_together(self._started)

    def _stop_together(self, those: Sequence[Process]) -> None:
        for each in those:
            if each.popen.poll() is None:
                each.popen.terminate()
                each.signal(signal.SIGCONT)  # one that is stopped hears nothing
        for each in list(those):
            each.stop()
            self._started.remove(each)

    def stop(self, process: Process) -> None:
        """Stop one before the others."""
        self._started.remove(process)
        process.stop()

    def kill(self, process: Process) -> None:
        """End one with all that it started by SIGKILL, on purpose: nobody misses it until it is started again."""
        self._started.remove(process)
        process.signal(signal.SIGKILL)
        process.popen.wait()

    def again(self, process: Process) -> Process:
        """Start one that was stopped or killed as it was started before, and wait until it serves."""
        started = self.start(process.name, process.command, process.environ, process.folder)
        self.await_ready(started)
        return started

    def named(self, name: str) -> Process:
        """Give one that runs; raises LookupError."""
        found = [each for each in self._started if each.name == name]
        if not found:
            raise LookupError(f"expected a process named {name}, got {', '.join(self.running()) or 'none'}")
        return found[-1]

    def running(self) -> dict[str, int]:
        """Give the process ids of those that were started and not stopped, by name."""
        return {each.name: each.popen.pid for each in list(self._started)}

    def ready_file(self, name: str) -> Path:
        """Name the file that a process writes once it serves."""
        return self.folder / f"{name}.ready"

    def start(
        self, name: str, command: Sequence[str], environ: Mapping[str, str] | None = None, folder: Path | None = None
    ) -> Process:
        """Start one, in the current folder or another; `command` is what follows the Python interpreter.

        It has our environment without what is `OURS`, and what `environ` adds to it.
        """
        self.ready_file(name).unlink(missing_ok=True)
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            popen = subprocess.Popen(
                [sys.executable, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**_others(os.environ), **(environ or {})},
                cwd=folder,
                start_new_session=True,
            )
        if name in self.behind:
            os.setpriority(os.PRIO_PROCESS, popen.pid, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
        if name in self.processors:
            os.sched_setaffinity(popen.pid, self.processors[name])
        process = Process(name, popen, log, tuple(command), dict(environ or {}), folder)
        self._started.append(process)
        return process

    def serve(self, name: str, command: Sequence[str], environ: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Start one that takes --ready-file and --parent-pid, and give what it wrote once it served."""
        return self.await_ready(self.start(name, [*command, *self.told(name)], environ))

    def told(self, name: str) -> list[str]:
        """Give the options that a process is told where to say that it serves, and whom to end with."""
        return ["--ready-file", str(self.ready_file(name)), "--parent-pid", str(os.getpid())]

    def await_ready(self, process: Process) -> dict[str, Any]:
        """Wait for a ready file and read it; raises ProcessFailed."""
        path, deadline = self.ready_file(process.name), time.monotonic() + READY_SECONDS
        while not path.exists():
            self.refuse_ended()
            if time.monotonic() > deadline:
                raise ProcessFailed(process.name, f"no sign of it within {READY_SECONDS:.0f} s", process.log)
            time.sleep(POLL_SECONDS)
        content: dict[str, Any] = json.loads(path.read_text())
        return content

    def refuse_ended(self) -> None:
        """Raise ProcessFailed where a process has ended that nobody stopped."""
        for each in list(self._started):
            if each.popen.poll() is not None:
                raise ProcessFailed(each.name, f"exit code {each.popen.returncode}", each.log)


def _others(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith(OURS)}
