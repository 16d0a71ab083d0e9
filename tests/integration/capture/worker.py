"""A real prefork worker of one name, in as many lives as a test gives it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

APP = "tests.integration.capture.app"
CHECKOUT = Path(__file__).parents[3]
PATIENCE = 120
T = TypeVar("T")


def wait_for(look: Callable[[], T | None], what: str, patience: float = PATIENCE) -> T:
    """Give what `look` gives once it is something."""
    deadline = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what}: did not happen within {patience} s"
        time.sleep(0.1)
    return found


class Worker:
    """Runs `app` with the interpreter `python`; `settings` are its environment. Each life has a log of its own."""

    def __init__(self, folder: Path, python: str, settings: dict[str, str]) -> None:
        self.folder, self.runs_file = folder, folder / "runs"
        self._python = python
        # Root may be who runs the tests; a worker that takes pickles asks for a word on that.
        self._settings = {**settings, "RUNS": str(self.runs_file), "C_FORCE_ROOT": "yes"}
        self._lives: list[subprocess.Popen[bytes]] = []

    def start(self, *options: str, **settings: str) -> None:
        """Begin a life, and wait until it consumes."""
        environment = {**os.environ, **self._settings, **settings, "PYTHONPATH": str(CHECKOUT)}
        command = [self._python, "-m", "celery", "-A", APP, "worker", "-n", "capture@here", "--loglevel", "INFO"]
        log = self.folder / f"worker-{len(self._lives) + 1}.log"
        with log.open("wb") as file:
            life = subprocess.Popen(
                [*command, "--without-gossip", "--without-mingle", *options],
                env=environment, cwd=CHECKOUT, stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip
        self._lives.append(life)
        wait_for(lambda: " ready." in self.log or life.poll() is not None, f"the worker's start ({log})")
        assert life.poll() is None, f"the worker ended:\n{self.log[-3000:]}"

    def stop(self) -> None:
        """Stop as an operator does; it must end by itself."""
        self.signal(signal.SIGTERM)
        self.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the main process, and to no other."""
        if self._lives[-1].poll() is None:
            self._lives[-1].send_signal(number)

    def wait(self) -> int:
        """Wait for the end of the main process; gives its exit code."""
        return self._lives[-1].wait(PATIENCE)

    def clear_away(self) -> None:
        """Leave no process of any life behind."""
        for life in self._lives:
            with suppress(ProcessLookupError):
                os.killpg(life.pid, signal.SIGKILL)
            life.wait(PATIENCE)

    @property
    def log(self) -> str:
        """What the newest life has written so far."""
        return (self.folder / f"worker-{len(self._lives)}.log").read_text(errors="replace")

    @property
    def runs(self) -> list[list[str]]:
        """The runs that began: name, task id, process, redrive or '-'."""
        return [line.split() for line in self.runs_file.read_text().splitlines()] if self.runs_file.exists() else []

    def runs_of(self, task_id: str) -> list[list[str]]:
        """Give the runs of one task."""
        return [run for run in self.runs if run[1] == task_id]

    def let_go(self, task_id: str) -> None:
        """Let a task end that waits for it."""
        (self.folder / task_id).touch()

    def is_done(self, task_id: str) -> bool:
        """Tell whether a task that was let go has come to its end."""
        return (self.folder / f"{task_id}.done").exists()

    def kill_process_of(self, task_id: str) -> None:
        """Kill the process in which a task's newest run is."""
        os.kill(int(self.runs_of(task_id)[-1][2]), signal.SIGKILL)
