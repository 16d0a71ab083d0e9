"""The thread that carries letters from memory to the sender, with what its sources tell once a second."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventbus.letters import Letter, Outgoing
    from eventbus.sender import Sender

TICK_SECONDS: Final = 1.0


class Courier:
    """One thread, started once; `sources` give a letter or None."""

    def __init__(self, queue: Outgoing, sender: Sender, sources: Sequence[Callable[[], Letter | None]]) -> None:
        self._queue = queue
        self._sender = sender
        self._sources = sources
        self._lock = threading.RLock()  # a signal's handler may publish on top of a publish
        self._thread: threading.Thread | None = None
        self._tick_at = 0.0

    @property
    def started(self) -> bool:
        """Tell whether it ever ran."""
        return self._thread is not None

    def start(self) -> None:
        """Start, unless it runs."""
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="redrive-publisher", daemon=True)
                    self._begin(self._thread)

    def _begin(self, thread: threading.Thread) -> None:
        try:
            thread.start()
        except BaseException:
            self._thread = None  # the next event tries again
            raise

    def stop(self, timeout: float) -> bool:
        """Let it carry what waits; True once it has ended within `timeout` seconds."""
        self._queue.press(close=True)
        if self._thread is not None:
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def last_told(self) -> list[Letter]:
        """Ask the sources for the last time, from outside, when the thread has not ended."""
        return self._told(closing=True)

    def _run(self) -> None:
        self._tick_at = time.monotonic() + TICK_SECONDS
        patience: float | None = 0.0  # the spool may hold what others left
        while True:
            closing = self._queue.closed
            self._carry(self._queue.take(patience), closing=closing)
            self._queue.done()
            patience = self._patience()
            if closing and self._queue.idle:
                return

    def _carry(self, batch: list[Letter], *, closing: bool) -> None:
        told = self._told(closing=closing)
        try:
            self._sender.handle([*batch, *told])
        except Exception as error:  # noqa: BLE001 - the thread outlives any fault
            self._sender.lose([*batch, *told], error)

    def _patience(self) -> float | None:
        waits = [self._sender.patience, TICK_SECONDS if self._sources else None]
        return min((wait for wait in waits if wait is not None), default=None)

    def _told(self, *, closing: bool) -> list[Letter]:
        now = time.monotonic()
        if now < self._tick_at and not closing:
            return []
        self._tick_at = now + TICK_SECONDS
        return [letter for source in self._sources if (letter := self._asked(source)) is not None]

    def _asked(self, source: Callable[[], Letter | None]) -> Letter | None:
        try:
            return source()
        except Exception as error:  # noqa: BLE001 - the thread outlives any fault
            self._sender.drop(1, error)
            return None
