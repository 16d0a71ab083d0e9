"""What had to be dropped, said by one process: a worker's children tell their parent, which logs each trouble once.

The first loss is said at once; what else is lost is counted and said when it is over, which is when something was kept
again and nothing was lost for a minute.

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

QUIET_SECONDS: Final = 60.0
_LONGEST_REASON: Final = 200
_READ_BYTES: Final = 65_536
_CLOSE_SECONDS: Final = 1.0
_END: Final = b"end"
_OVER: Final = b"over"


class Losses:
    """The losses of one process; after `share`, those of the children that it forks as well."""

    def __init__(self, quiet: float = QUIET_SECONDS) -> None:
        self._quiet = quiet
        self._shared = False
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.RLock()  # a signal's handler may note a loss on top of another
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

    def over(self) -> None:
        """Tell that something was kept again after a loss."""
        with self._lock:
            if self._pipe is not None:
                _written(self._pipe[1], _OVER + b"\n")

    def close(self) -> None:
        """Say what is still unsaid, in the process that says it; the end of the process comes next."""
        if self._teller is not None and self._pipe is not None and self._owner == os.getpid():
            _written(self._pipe[1], _END + b"\n")
            self._teller.join(_CLOSE_SECONDS)

    def after_fork(self) -> None:
        """In a child: tell the parent that shares, else say it here."""
        if self._shared:
            self._lock = threading.RLock()
            return
        for end in self._pipe or ():
            os.close(end)
        self._begin()

    def _say(self, pipe: int) -> None:
        """Log what comes in, until the end of the process."""
        trouble, rest, ending = Trouble(self._quiet), b"", False
        while not ending:
            if select.select([pipe], [], [], trouble.patience(time.monotonic()))[0]:
                *lines, rest = (rest + os.read(pipe, _READ_BYTES)).split(b"\n")
                ending = _END in lines
                for line in lines:
                    trouble.hear(line, time.monotonic())
            trouble.tell(time.monotonic(), ending=ending)


class Trouble:
    """A time of losses, as it is told: its first losses at once, the others once it is over. Times are seconds."""

    def __init__(self, quiet: float) -> None:
        self._quiet = quiet
        self._heard = [0, 0]
        self._why = ""
        self._said = False
        self._ends_at: float | None = None

    def hear(self, line: bytes, now: float) -> None:
        """Take in one word: a loss, or that something was kept again."""
        if line == _OVER:
            self._ends_at = now + self._quiet
        elif line != _END:
            others, spans, self._why = orjson.loads(line)
            self._heard = [self._heard[0] + others, self._heard[1] + spans]
            self._ends_at = None

    def patience(self, now: float) -> float | None:
        """Give the seconds until it may be over; None while that is not in sight."""
        return None if self._ends_at is None else max(0.0, self._ends_at - now)

    def tell(self, now: float, *, ending: bool = False) -> None:
        """Log what is due."""
        over = self._ends_at is not None and now >= self._ends_at
        if any(self._heard) and (over or ending or not self._said):
            word = "more since then" if self._said else "so far"
            log.warning("event.dropped: %d events, %d spans %s; %s", *self._heard, word, self._why)
            self._heard, self._said = [0, 0], True
        if over:
            self._said, self._ends_at = False, None


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
