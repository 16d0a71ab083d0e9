"""What ends a server that would run for ever: a signal, or its parent's death."""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import suppress

PARENT_POLL = 0.5


class Stop:
    """Wakes whoever waits, once and for good. A signal's handler only writes to a socket: it can lock nothing up."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._writer.settimeout(0)

    def on_signals(self) -> None:
        """Stop at SIGTERM and SIGINT; to be called by the main thread."""
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)

    def when_gone(self, parent: int) -> None:
        """Stop when the process of this id is gone."""
        threading.Thread(target=self._watch, args=(parent,), name="parent", daemon=True).start()

    def wait(self) -> None:
        """Wait until it is time."""
        self._reader.recv(1)

    def now(self) -> None:
        """Stop without a reason from outside."""
        with suppress(BlockingIOError):
            self._writer.send(b"\0")

    def _watch(self, parent: int) -> None:
        own, over = os.getppid() == parent, threading.Event()
        # A dead parent that nobody has waited for still has its id; its children have another parent then.
        while _exists(parent) and not (own and os.getppid() != parent):
            over.wait(PARENT_POLL)
        self.now()


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
