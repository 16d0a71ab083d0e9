"""The one thread on which everything is decided: what is due first, then what was posted, in its order."""

from __future__ import annotations

import heapq
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Final

Work = Callable[[], None]
# A lock waits no longer than a platform can count; what is due later is looked at again.
_LONGEST_WAIT: Final = 3600.0
log = logging.getLogger(__name__)


class Control:
    """Runs posted work one piece after another; work that raises is logged and the next piece runs."""

    def __init__(self) -> None:
        self._posted: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._due: list[tuple[float, int, Work]] = []
        self._order = itertools.count()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        """Begin to run what is posted."""
        self._thread.start()

    def post(self, work: Work) -> None:
        """Run this after all that was posted before; any thread may ask."""
        self._posted.put(work)

    def after(self, seconds: float, work: Work) -> None:
        """Run this when the time has passed; any thread may ask."""
        due = (time.monotonic() + seconds, next(self._order), work)
        self.post(lambda: heapq.heappush(self._due, due))

    def stop(self) -> None:
        """Run what was posted until now, then end; what is due later is dropped."""
        self._posted.put(None)
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while True:
            try:
                work = self._next()
                if work is None:
                    return
                work()
            except Exception:
                log.exception("control.work_failed")

    def _next(self) -> Work | None:
        while True:
            wait = min(self._due[0][0] - time.monotonic(), _LONGEST_WAIT) if self._due else None
            if wait is not None and wait <= 0:
                return heapq.heappop(self._due)[2]
            try:
                return self._posted.get(timeout=wait)
            except queue.Empty:
                continue
