"""A clock that also tells how long this thread has waited for a processor: ready to run, and not run.

Linux counts that for each thread, in nanoseconds, as the second number of /proc/thread-self/schedstat (its
Documentation/scheduler/sched-stats.rst). Read through a handle that is kept it takes about a microsecond. Where there
is none, the wait is told as 0.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from threading import get_native_id
from time import monotonic
from typing import Final

LONGEST_LINE: Final = 80
NANOSECONDS: Final = 1e9


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
    """Read both."""
    handle = _schedstat(os.getpid(), get_native_id())
    delayed = int(os.pread(handle, LONGEST_LINE, 0).split()[1]) / NANOSECONDS if handle is not None else 0.0
    return Reading(monotonic(), delayed)


@cache
def _schedstat(_pid: int, _thread: int) -> int | None:
    """Open it once in each thread: the handle stays with the thread that opened it, in a forked child too."""
    try:
        return os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
