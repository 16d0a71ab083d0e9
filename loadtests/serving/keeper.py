"""Keeps one run, in a process of its own: `python -m loadtests.serving.keeper FOLDER --lock FD`.

It starts the run's command, ends it when its time is over or somebody asks for that, and writes how it ended. It holds
the lock that says that a run is going, as does the command: whatever is killed, the lock is free when both are gone.
It outlives the service that started it.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadtests.serving.run import Ending, State
from loadtests.serving.shelf import COMMAND, ENDED, LOG, STOP, write

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_SECONDS: Final = 0.2
# Names the run, and with it the folder of its report.
RUN_ID: Final = "LOADTESTS_RUN_ID"
PR_SET_PDEATHSIG: Final = 1


def keep(folder: Path, lock: int) -> Ending:
    """Play the command of a run's folder to its end, and write how that was."""
    asked, told = _Asked(), json.loads((folder / COMMAND).read_text())
    process = _start(told["command"], folder, lock)
    state = _watch(process, time.monotonic() + told["timeout_seconds"], lambda: asked.stop or (folder / STOP).exists())
    if state is not State.ENDED:
        _stop(process, told["stop_seconds"])
    _kill(process)
    report = Path(told["out"]) / "runs" / folder.name / "report.json"
    ended_at = datetime.now(UTC).isoformat()
    ending = Ending(state, process.returncode, ended_at, folder.name if report.is_file() else None)
    write(folder / ENDED, asdict(ending))
    return ending


def _start(command: list[str], folder: Path, lock: int) -> subprocess.Popen[bytes]:
    with (folder / LOG).open("ab") as log:
        return subprocess.Popen(
            command,
            env=os.environ | {RUN_ID: folder.name},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(lock,),
            process_group=0,
            preexec_fn=_end_with(os.getpid()),  # noqa: PLW1509 - this process has one thread
        )


def _end_with(keeper: int) -> Callable[[], None] | None:
    """Give what asks the system, in the child, for SIGTERM when this process is killed; Linux alone can do that."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)

    def ask() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != keeper:
            os._exit(1)

    return ask


def _watch(process: subprocess.Popen[bytes], deadline: float, asked: Callable[[], bool]) -> State:
    """Wait until it has ended, is asked to stop, or its time is over; says which."""
    while process.poll() is None:
        if asked():
            return State.STOPPED
        if time.monotonic() > deadline:
            return State.TIMED_OUT
        time.sleep(POLL_SECONDS)
    return State.ENDED


class _Asked:
    """Whether this process was told to stop."""

    def __init__(self) -> None:
        self.stop = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    def _hear(self, *_: object) -> None:
        self.stop = True


def _stop(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Ask the run to end, and give it time to stop its processes."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing of its group running."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def main() -> int:
    """Keep the run of a folder."""
    parser = argparse.ArgumentParser(description="Keeps one run")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lock", type=int, required=True, help="the open file that says that a run is going")
    options = parser.parse_args()
    keep(options.folder, options.lock)
    return 0


if __name__ == "__main__":
    sys.exit(main())
