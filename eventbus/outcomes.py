"""How many runs ended well and badly in this process: one small event a second, the denominator of a failure rate."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Outcomes:
    """Counts per task; `dependency_of(task name)` names what a task leans on."""

    def __init__(self, dependency_of: Callable[[str], str | None]) -> None:
        self._dependency_of = dependency_of
        self._lock = threading.Lock()
        self._counts: dict[str, list[int]] = {}
        self._since = 0.0

    def count(self, task: str, *, succeeded: bool) -> None:
        """Count one run that ended."""
        with self._lock:
            if not self._counts:
                self._since = time.monotonic()
            self._counts.setdefault(task, [0, 0])[succeeded] += 1

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
                for task, (failed, succeeded) in counts.items()
            ],
        }
