"""The spool: letters that the bus did not take, in bounded files on disk, in order, until it takes them.

Each process has files of its own, named by its pid and start and locked by it while it lives; the files of dead
processes are taken over by the next process that uses the folder. A file survives the death of the process, not the
loss of power: it is not synced to the disk. Sending again what was sent already, after a crash, is harmless: events are
unique by their id.
"""

from __future__ import annotations

import hashlib
import os
import time
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from eventbus.records import Reading, pack
from eventbus.spool_file import SpoolFile
from eventbus.topology import TELEMETRY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventbus.letters import Letter
    from eventbus.limits import Limits

FOLDER_VARIABLE: Final = "REDRIVE_SPOOL_DIR"
SUFFIX: Final = ".spool"
# Of the room, what telemetry may fill; the rest is kept for failures and outcomes.
TELEMETRY_SHARE: Final = 0.8
# Of the room, what may be full before spans find none.
SPANS_SHARE: Final = 0.4
# A file that is as long is followed by another, and goes once it is drained: what was sent takes no more than that.
FILE_BYTES: Final = 8 << 20


def folder_of(given: str | Path | None) -> Path:
    """Give the folder of the spool: the one given, else REDRIVE_SPOOL_DIR, else one under the user's state folder."""
    state = os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    return Path(given or os.environ.get(FOLDER_VARIABLE) or Path(state) / "redrive" / "spool")


def folder_for(base: Path, bus_url: str) -> Path:
    """Give the folder for one bus, whatever its password: what was meant for one bus never leaves for another."""
    parts = urlsplit(bus_url)
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return base / hashlib.sha256(address.encode()).hexdigest()[:16]


def new_file(folder: Path) -> SpoolFile:
    """Make a file of this process; one that another process took over before it was locked is skipped."""
    while True:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return SpoolFile(folder / f"{os.getpid()}-{time.time_ns()}{SUFFIX}", create=True)
        except BlockingIOError:
            continue


def _share(letter: Letter) -> float:
    if letter.droppable:
        return SPANS_SHARE
    return TELEMETRY_SHARE if letter.routing_key == TELEMETRY else 1


class Spool:
    """The folder as one queue: leftovers of dead processes first, then what this process keeps itself."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder = folder
        self.limits = limits
        self._files: list[SpoolFile] = []
        self._own: SpoolFile | None = None

    @property
    def empty(self) -> bool:
        """Tell whether nothing waits here for this process to send."""
        return all(file.unread == 0 for file in self._files)

    def stored_bytes(self) -> int:
        """Count the bytes of all files in the folder, those of other processes too."""
        sizes = 0
        for path in self._listed():
            try:
                sizes += path.stat().st_size
            except FileNotFoundError:
                continue  # drained by its owner just now
        return sizes

    def append(self, letters: Sequence[Letter]) -> list[Letter]:
        """Keep the letters; gives those there was no room for. Raises OSError when the disk refuses."""
        kept: list[bytes] = []
        refused: list[Letter] = []
        used, now = self.stored_bytes(), time.time()
        for letter in letters:
            record = pack(letter, now)
            if used + len(record) <= self.limits.max_bytes * _share(letter):
                kept.append(record)
                used += len(record)
            else:
                refused.append(letter)
        if kept:
            self._own_file().append(b"".join(kept))
        return refused

    def adopt(self) -> None:
        """Take over the files that dead processes left in the folder, oldest first."""
        held = {file.path for file in self._files}
        for path in self._listed():
            if path not in held:
                try:
                    file = SpoolFile(path, create=False)
                except (BlockingIOError, FileNotFoundError):
                    continue  # its owner lives, or another process was faster
                self._files.append(file)
        self._files.sort(key=lambda file: (file is self._own, _made_at(file.path)))

    def sweep(self) -> tuple[list[Letter], int]:
        """Leave behind, at the head of the queue, what is too old or damaged: those letters, and how many stretches."""
        aged: list[Letter] = []
        damaged = 0
        oldest = time.time() - self.limits.max_age
        while True:
            reading = self.peek()
            old = list(takewhile(lambda each: each.written_at < oldest, reading.kept))
            if reading.skip:
                damaged += 1
                self.forget(reading.skip)
            elif old:
                aged += [each.letter for each in old]
                self.forget(old[-1].end)
            else:
                return aged, damaged

    def peek(self) -> Reading:
        """Read the next letters, oldest first; hand their size to `forget` once they are sent."""
        while self._files:
            reading = self._files[0].read()
            if reading.kept or reading.skip or self._files[0] is self._own:
                return reading
            self._files.pop(0).remove()
        return Reading([])

    def forget(self, size: int) -> None:
        """Leave behind so many bytes of what the last `peek` gave."""
        self._files[0].forget(size)

    def close(self) -> None:
        """Let go of every file; an empty one is deleted."""
        for file in self._files:
            if file.unread == 0:
                file.remove()
            else:
                file.abandon()
        self._files, self._own = [], None

    def abandon(self) -> None:
        """Forget, in a forked child, what belongs to the parent."""
        for file in self._files:
            file.abandon()
        self._files, self._own = [], None

    def _listed(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{SUFFIX}"), key=_made_at)

    def _own_file(self) -> SpoolFile:
        """Give the file to write to: a new one when there is none, or when it has become long."""
        if self._own is None or self._own.size >= min(FILE_BYTES, self.limits.max_bytes // 8):
            self._own = new_file(self.folder)
            self._files.append(self._own)
        return self._own


def _made_at(path: Path) -> str:
    return path.name.partition("-")[2]
