"""Cutting a connection that takes too long: time-outs of sockets are for each read, and a slow one has many of them."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock, Timer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(slots=True)
class Cut:
    """What is to be cut at the deadline; what is added after it is cut at once."""

    done: bool = False
    _cuts: list[Callable[[], object]] = field(default_factory=list)
    _own: list[socket.socket] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def add(self, cut: Callable[[], object]) -> None:
        """Have this called at the deadline, from another thread; what it raises is let pass."""
        with self._lock:
            self._cuts.append(cut)
            late = self.done
        if late:
            self.now()

    def add_socket(self, descriptor: int) -> None:
        """Have the connection behind a descriptor shut down at the deadline: whoever waits for it wakes up."""
        # A descriptor of our own: the number of the other one may be another file's by then.
        own = socket.socket(fileno=os.dup(descriptor))
        self._own.append(own)
        self.add(lambda: own.shutdown(socket.SHUT_RDWR))

    def now(self) -> None:
        """Cut."""
        with self._lock:
            self.done = True
            cuts, self._cuts = self._cuts, []
        for cut in cuts:
            with suppress(Exception):
                cut()

    def close(self) -> None:
        """Let go of what was added."""
        with self._lock:
            self._cuts = []
        for own in self._own:
            own.close()


@contextmanager
def cut_after(seconds: float) -> Iterator[Cut]:
    """Cut what the block adds once so many seconds are over; `done` tells afterwards whether they were."""
    cut = Cut()
    timer = Timer(seconds, cut.now)
    timer.daemon = True
    timer.start()
    try:
        yield cut
    finally:
        timer.cancel()
        cut.close()
