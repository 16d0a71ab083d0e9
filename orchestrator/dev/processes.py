"""Child processes of a development stack: started with a ready file, stopped in order, none left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.domain.errors import RedriveError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

READY_SECONDS = 30.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.02


class ChildFailed(RedriveError):
    """A child process that did not come up; its log says why."""

    def __init__(self, name: str, what: str, log: Path) -> None:
        tail = log.read_text(errors="replace")[-2_000:] if log.exists() else ""
        super().__init__(f"expected {name} to be ready, got: {what}; its log {log} ends with:\n{tail}")


@dataclass(slots=True)
class Child:
    """One child process, in a process group of its own; what it prints goes to a file beside its state."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def alive(self) -> bool:
        """Tell whether it runs."""
        return self.process.poll() is None

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """End it with SIGTERM, and with SIGKILL where it does not listen; gives its exit code."""
        if self.alive:
            self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """End it and its whole group with SIGKILL."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait(STOP_SECONDS)


def start(name: str, command: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None) -> Child:
    """Start a child; `command` is what follows the Python interpreter."""
    log = folder / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environ or {})},
            start_new_session=True,
        )
    return Child(name, process, log)


def ready(child: Child, path: Path, seconds: float = READY_SECONDS) -> dict[str, Any]:
    """Wait for a child's ready file and read it; raises ChildFailed when the child ends or the time does."""
    deadline = time.monotonic() + seconds
    while not path.exists():
        if not child.alive:
            raise ChildFailed(child.name, f"exit code {child.process.returncode}", child.log)
        if time.monotonic() > deadline:
            child.kill()
            raise ChildFailed(child.name, f"no ready file within {seconds:.0f} s", child.log)
        time.sleep(POLL_SECONDS)
    content: dict[str, Any] = json.loads(path.read_text())
    return content
