"""What had to be dropped, said by one process: a worker's children tell their parent, which logs it once a minute.

They tell it over a pipe that the parent opens before it forks; a full pipe delays the word, and never the child.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from typing import Final

import orjson

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 60.0
_LONGEST_REASON: Final = 200
_READ_BYTES: Final = 65_536
_CLOSE_SECONDS: Final = 1.0
_END: Final = b"end"


class Losses:
    """The losses of one process; after `share`, those of the children that it forks as well."""

    def __init__(self, every: float = EVERY_SECONDS) -> None:
        self._every = every
        self._shared = False
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._untold = [0, 0]
        self._pipe: tuple[int, int] | None = None
        self._teller: threading.Thread | None = None
        self._owner = os.getpid()

    def share(self) -> None:
        """Let the children that are forked from now on tell this process, which calls `listen` once they are."""
        self._pipe, self._shared = _pipe(), True

    def listen(self) -> None:
        """Say from now on what comes in."""
        if self._teller is None and self._owner == os.getpid():
            pipe = self._pipe = self._pipe or _pipe()
            self._teller = threading.Thread(target=self._say, args=(pipe[0],), name="redrive-losses", daemon=True)
            self._teller.start()

    def note(self, count: int, why: object, *, droppable: bool) -> None:
        """Count so many spans (`droppable`) or other events as lost; whoever says it also says the last reason."""
        with self._lock:
            self._untold[droppable] += count
            self.listen()
            word = orjson.dumps([*self._untold, ascii(why)[:_LONGEST_REASON]]) + b"\n"
            if self._pipe is not None and _written(self._pipe[1], word):
                self._untold = [0, 0]

    def close(self) -> None:
        """Say what is still unsaid, in the process that says it; the end of the process comes next."""
        if self._teller is not None and self._pipe is not None and self._owner == os.getpid():
            _written(self._pipe[1], _END + b"\n")
            self._teller.join(_CLOSE_SECONDS)

    def after_fork(self) -> None:
        """In a child: tell the parent that shares, else say it here."""
        if self._shared:
            self._lock = threading.Lock()
            return
        for end in self._pipe or ():
            os.close(end)
        self._begin()

    def _say(self, pipe: int) -> None:
        """Log what comes in: the first at once, then what came together, once in a while."""
        heard, why, rest, said_at, ending = [0, 0], "", b"", -self._every, False
        while not ending:
            wait = max(0.0, said_at + self._every - time.monotonic()) if any(heard) else None
            if select.select([pipe], [], [], wait)[0]:
                *lines, rest = (rest + os.read(pipe, _READ_BYTES)).split(b"\n")
                ending = _END in lines
                for others, spans, reason in (orjson.loads(line) for line in lines if line != _END):
                    heard, why = [heard[0] + others, heard[1] + spans], reason
            if any(heard) and (ending or time.monotonic() >= said_at + self._every):
                log.warning("event.dropped: %d events, %d spans since the last time; %s", *heard, why)
                heard, said_at = [0, 0], time.monotonic()


def _pipe() -> tuple[int, int]:
    ends = os.pipe()
    os.set_blocking(ends[1], False)
    return ends


def _written(end: int, word: bytes) -> bool:
    try:
        os.write(end, word)
    except OSError:
        return False  # full, or nobody listens any more: told with the next one
    return True
