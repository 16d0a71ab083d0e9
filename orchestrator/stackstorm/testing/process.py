"""The embedded StackStorm of a test session: a process of its own, which ends with the session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

READY_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.01


class CannotStart(Exception):
    """The server did not come up; the text is what it said: the file and the key of a pack, most often."""


@dataclass(frozen=True, slots=True)
class Served:
    """A server that serves: where, with which configs, and where it writes what it has to say."""

    url: str
    configs: Path
    log: Path


@contextmanager
def served(folder: Path, packs: Sequence[Path]) -> Iterator[Served]:
    """Serve packs until the block ends; configs, state and log lie in `folder`. Raises CannotStart."""
    configs, log = folder / "configs", folder / "stackstorm.log"
    configs.mkdir(exist_ok=True)
    places = [part for pack in packs for part in ("--packs", str(pack))]
    ready = folder / "ready.json"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "orchestrator.stackstorm.embedded", *places, "--configs", str(configs),
                "--state", str(folder / "state"), "--ready-file", str(ready), "--parent-pid", str(os.getpid()),
                "--stubs",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
            start_new_session=True,
        )  # fmt: skip
    try:
        _wait(process, ready, log)
        yield Served(json.loads(ready.read_text())["url"], configs, log)
    finally:
        _stop(process)


def _wait(process: subprocess.Popen[bytes], ready: Path, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise CannotStart(log.read_text(errors="replace").strip() or "the embedded StackStorm did not start")
        time.sleep(POLL_SECONDS)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
