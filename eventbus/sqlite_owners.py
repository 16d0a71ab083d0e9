"""Who holds a lease on the server-less bus: one process, that no reboot and no reused process id is mistaken for.

All processes that share a bus file must see each other's process ids: one machine, one pid namespace.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_BOOT_ID: Final = _PROC / "sys/kernel/random/boot_id"
_STATE_FIELD: Final = 0
_START_FIELD: Final = 19
_ENDED: Final = ("Z", "X", "x")


@dataclass(frozen=True, slots=True)
class Owner:
    """One process: the boot it lives in, its id, and its start time in the system's own unit (compared, never read)."""

    boot: str
    pid: int
    started: str


def this_process() -> Owner:
    """Name the calling process; after a fork the child has another name than its parent."""
    pid = os.getpid()
    started = started_at(pid)
    if started is None:
        msg = f"expected to find the start time of process {pid}, got none; mount /proc, or install ps"
        raise OSError(msg)
    return Owner(boot_id(), pid, started)


def is_alive(owner: Owner) -> bool:
    """Tell whether that very process still runs; one that ended and waits for its parent (a zombie) does not."""
    return owner.boot == boot_id() and started_at(owner.pid) == owner.started


@cache
def boot_id() -> str:
    """Name the system's current boot."""
    if _BOOT_ID.exists():
        return _BOOT_ID.read_text(encoding="ascii").strip()
    return _output_of("sysctl", "-n", "kern.bootsessionuuid")


def started_at(pid: int) -> str | None:
    """Tell when a process started; None when it has ended, or never was."""
    if not (_PROC / "self/stat").exists():
        return _started_by_ps(pid)
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc_pid_stat(5): the second field, the command's name, may itself hold spaces and brackets.
    fields = stat.rpartition(")")[2].split()
    return None if fields[_STATE_FIELD] in _ENDED else fields[_START_FIELD]


def _started_by_ps(pid: int) -> str | None:
    state, _, started = _output_of("ps", "-o", "state=,lstart=", "-p", str(pid)).partition(" ")
    return None if not state or state[0] in _ENDED else started.strip()


def _output_of(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()
