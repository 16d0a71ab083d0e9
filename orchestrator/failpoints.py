"""Named places where a test may kill this process: armed by environment variables, free when not.

`REDRIVE_FAILPOINT=name` or `name:N` dies at the first or the N-th time the place is reached, with SIGKILL, as a machine
that loses its power would; before that it appends the name to the file `REDRIVE_FAILPOINT_LOG`, so that a test can see
that it fired.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Recovering = Literal[
    "eventlog_committed",
    "ledger_committed",
    "trigger_dispatched",
    "attempt_recorded",
    "task_published",
]
Forwarding = Literal[
    "eventlog_appending",
    "eventlog_appended",
    "warehouse_loading",
    "warehouse_loaded",
    "batch_delivered",
    "cursor_moving",
    "cursor_moved",
    "replay_delivered",
    "replay_settled",
]
Asking = Literal["recovery_claimed", "recovery_halted"]
Name = Recovering | Forwarding | Asking
RECOVERING: Final[tuple[str, ...]] = get_args(Recovering)
# Every step of an event on its way from a caller into a sink.
FORWARDING: Final[tuple[str, ...]] = get_args(Forwarding)
# What a person's request changes, before it is committed.
ASKING: Final[tuple[str, ...]] = get_args(Asking)
NAMES: Final[tuple[str, ...]] = RECOVERING + FORWARDING + ASKING
VARIABLE: Final = "REDRIVE_FAILPOINT"
LOG_VARIABLE: Final = "REDRIVE_FAILPOINT_LOG"


class FailpointError(ValueError):
    """A failpoint that cannot be armed as asked: says what was expected and what came."""


@dataclass(slots=True)
class _Armed:
    name: str
    hits_left: int
    log: str
    lock: Lock = field(default_factory=Lock)

    def reached(self) -> None:
        with self.lock:
            self.hits_left -= 1
            if self.hits_left == 0:
                _note(self.log, self.name)
                os.kill(os.getpid(), signal.SIGKILL)


_armed: _Armed | None = None


def arm(environ: Mapping[str, str]) -> None:
    """Arm the failpoint that the environment names, if any; raises FailpointError where nothing could ever fire."""
    global _armed  # noqa: PLW0603 - one process has one failpoint, and `hit` has to stay a single check
    _armed = _parse(environ)


def hit(name: Name) -> None:
    """Mark a place; kills this process when a test has armed it here and now."""
    if _armed is not None and _armed.name == name:
        _armed.reached()


def fired(log: Path) -> list[str]:
    """Read which failpoints have fired, oldest first; none where the file is not there."""
    return log.read_text().split() if log.exists() else []


def _parse(environ: Mapping[str, str]) -> _Armed | None:
    text = environ.get(VARIABLE, "")
    if not text:
        return None
    name, _, count = text.partition(":")
    if name not in NAMES:
        raise FailpointError(f"{VARIABLE}: expected one of {', '.join(NAMES)}, got {name!r}")
    if not (count or "1").isdecimal() or int(count or "1") < 1:
        raise FailpointError(f"{VARIABLE}: expected a count of at least 1 behind {name}:, got {count!r}")
    if not environ.get(LOG_VARIABLE):
        raise FailpointError(f"{LOG_VARIABLE}: expected the file to write to when {name} fires, got nothing")
    return _Armed(name, int(count or "1"), environ[LOG_VARIABLE])


def _note(log: str, name: str) -> None:
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(handle, f"{name}\n".encode())
    os.fsync(handle)
    os.close(handle)
