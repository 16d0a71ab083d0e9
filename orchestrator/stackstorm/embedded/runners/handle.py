"""One running action as others see it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

Printed = tuple[bytes, bytes]


class Handle:
    """Others may stop the action, and read what it has printed until now. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = False
        self._stop: Callable[[], None] | None = None
        self._printed: Callable[[], Printed] | None = None

    @property
    def stopped(self) -> bool:
        """Tell whether somebody has asked for the end."""
        return self._stopped

    def begin(self, stop: Callable[[], None], printed: Callable[[], Printed] | None = None) -> None:
        """Say how the action is stopped, and what it has printed; one that is stopped already stops at once."""
        with self._lock:
            self._stop, self._printed = stop, printed
            stopped = self._stopped
        if stopped:
            stop()

    def stop(self) -> None:
        """Stop the action, now or when it begins."""
        with self._lock:
            self._stopped = True
            stop = self._stop
        if stop is not None:
            stop()

    def printed(self) -> Printed:
        """Give stdout and stderr until now."""
        return (b"", b"") if self._printed is None else self._printed()
