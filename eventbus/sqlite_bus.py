"""One connection to the server-less bus: its file, its queues and exchanges, and what ends with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventbus.sqlite_exchanges import Exchanges, QueueOptions
from eventbus.sqlite_file import BusFile
from eventbus.sqlite_queues import Queues

if TYPE_CHECKING:
    from pathlib import Path

SWEEP_SECONDS: Final = 1.0


class Bus:
    """A handle on a bus file that several processes, and the threads of each, share."""

    def __init__(self, path: Path) -> None:
        self._file = BusFile(path)
        self.queues, self.exchanges = Queues(self._file), Exchanges(self._file)
        self._exclusive: set[str] = set()
        self._sweep_at = float("-inf")

    def open(self) -> None:
        """Open the file, and make it if need be; raises BusFileError when that cannot be done."""
        self._file.open()

    def declare_queue(self, name: str, options: QueueOptions) -> None:
        """Keep a queue; an exclusive one ends with this connection, and one that a dead process left gives way."""
        if self.exchanges.is_locked(name):
            self.queues.free_dead()
        self.exchanges.declare_queue(name, options)
        if options.exclusive:
            self._exclusive.add(name)

    def sweep(self, now: float) -> None:
        """Free what dead processes held, unless that was done within `SWEEP_SECONDS`; `now` is any one clock's."""
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_SECONDS
            self.queues.free_dead()

    def close(self) -> None:
        """Delete this connection's exclusive queues and close the file."""
        while self._exclusive:
            self.exchanges.delete_queue(self._exclusive.pop())
        self._file.close()
