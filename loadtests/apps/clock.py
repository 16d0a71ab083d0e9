"""A clock that also tells how long this thread has waited for a processor: ready to run, and not run.

Linux counts that for each thread, in nanoseconds, as the second number of /proc/thread-self/schedstat (its
Documentation/scheduler/sched-stats.rst). Read through a handle that is kept it takes about a microsecond. Where there
is none, the wait is told as 0.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from io import FileIO
from threading import local
from time import monotonic
from typing import Final

LONGEST_LINE: Final = 80
NANOSECONDS: Final = 1e9
_own = local()


@dataclass(frozen=True, slots=True)
class Reading:
    """Seconds, of the monotonic clock, and of those this thread's wait for a processor; differences of two as well."""

    at: float = 0.0
    delayed: float = 0.0

    def __sub__(self, before: Reading) -> Reading:
        """Give what has passed."""
        return Reading(self.at - before.at, self.delayed - before.delayed)

    def __add__(self, more: Reading) -> Reading:
        """Add what has passed."""
        return Reading(self.at + more.at, self.delayed + more.delayed)


def now() -> Reading:
    """Read both; never raises."""
    file = _schedstat(os.getpid())
    delayed = int(os.pread(file.fileno(), LONGEST_LINE, 0).split()[1]) / NANOSECONDS if file else 0.0
    return Reading(monotonic(), delayed)


def _schedstat(pid: int) -> FileIO | None:
    """Open it once in each thread of each process: it stays with the thread that opened it, in a forked child too."""
    if getattr(_own, "pid", None) != pid:
        try:
            _own.file = FileIO("/proc/thread-self/schedstat")
        except OSError:
            _own.file = None
        _own.pid = pid
    file: FileIO | None = _own.file
    return file
