"""How many runs ended well and badly in this process: one small event a second, the denominator of a failure rate."""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable


class Outcomes:
    """Counts per task; `dependency_of(task name)` names what a task leans on."""

    def __init__(self, dependency_of: Callable[[str], str | None]) -> None:
        self._dependency_of = dependency_of
        self._begin()
        _counting.add(self)

    def _begin(self) -> None:
        """Begin with nothing; in a forked child too, where the parent's counts and lock are the parent's."""
        self._lock = threading.RLock()  # a signal's handler may count on top of a count
        self._counts: dict[str, list[int]] = {}
        self._since = 0.0

    def count(self, task: str, *, succeeded: bool, redriven: bool = False) -> None:
        """Count one run that ended; how many of those that went well were redrives or probes is counted beside it."""
        with self._lock:
            if not self._counts:
                self._since = time.monotonic()
            counts = self._counts.setdefault(task, [0, 0, 0])
            counts[succeeded] += 1
            counts[2] += redriven and succeeded

    def take(self) -> dict[str, Any] | None:
        """Give what was counted since the last time as data of an event, and begin anew; None when nothing was."""
        with self._lock:
            counts, self._counts = self._counts, {}
            seconds = time.monotonic() - self._since
        if not counts:
            return None
        return {
            "window_seconds": max(seconds, 0.001),
            "counts": [
                {"task": task, "dependency": self._dependency_of(task), "succeeded": succeeded, "failed": failed}
                | ({"redriven": redriven} if redriven else {})
                for task, (failed, succeeded, redriven) in counts.items()
            ],
        }


_counting: Final[weakref.WeakSet[Outcomes]] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for outcomes in tuple(_counting):
        outcomes._begin()  # noqa: SLF001 - of the same module


os.register_at_fork(after_in_child=_after_fork_in_child)
