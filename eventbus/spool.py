"""The spool: letters that the bus did not take, in bounded files on disk, in order, until it takes them.

One file per process, named by its pid and start and locked by it while it lives; the files of dead processes are taken
over by the next process that uses the folder. A file survives the death of the process, not the loss of power: it is
not synced to the disk. Sending again what was sent already, after a crash, is harmless: events are unique by their id.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from zlib import crc32

from eventbus.letters import BATCH_EVENTS, Letter
from eventbus.topology import TELEMETRY

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)

FOLDER_VARIABLE: Final = "REDRIVE_SPOOL_DIR"
SUFFIX: Final = ".spool"
# Of the room, what telemetry may fill; the rest is kept for failures and outcomes.
TELEMETRY_SHARE: Final = 0.8
# Of the room, what may be full before spans find none.
SPANS_SHARE: Final = 0.4
_READ_BYTES: Final = 1 << 20
# A record: length and crc32 of what follows, then the routing key (one byte of length before it) and the event.
_RECORD: Final = struct.Struct("<II")


def folder_of(given: str | Path | None) -> Path:
    """Give the folder of the spool: the one given, else REDRIVE_SPOOL_DIR, else one under the user's state folder."""
    state = os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    return Path(given or os.environ.get(FOLDER_VARIABLE) or Path(state) / "redrive" / "spool")


def folder_for(base: Path, bus_url: str) -> Path:
    """Give the folder for one bus, whatever its password: what was meant for one bus never leaves for another."""
    parts = urlsplit(bus_url)
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return base / hashlib.sha256(address.encode()).hexdigest()[:16]


def pack(letter: Letter) -> bytes:
    """Give the record of one letter."""
    key = letter.routing_key.encode()
    payload = bytes([len(key)]) + key + letter.body
    return _RECORD.pack(len(payload), crc32(payload)) + payload


def unpack(buffer: bytes) -> tuple[list[Letter], int]:
    """Read the whole records at the start of a buffer: the letters, and the bytes they took."""
    letters: list[Letter] = []
    at = 0
    while len(letters) < BATCH_EVENTS and at + _RECORD.size <= len(buffer):
        length, checksum = _RECORD.unpack_from(buffer, at)
        payload = buffer[at + _RECORD.size : at + _RECORD.size + length]
        if not payload or len(payload) < length or crc32(payload) != checksum:
            break
        split = 1 + payload[0]
        letters.append(Letter(payload[1:split].decode(), payload[split:]))
        at += _RECORD.size + length
    return letters, at


def _share(letter: Letter) -> float:
    if letter.droppable:
        return SPANS_SHARE
    return TELEMETRY_SHARE if letter.routing_key == TELEMETRY else 1


class SpoolFile:
    """One file, locked. Raises OSError, BlockingIOError when a living process has it."""

    def __init__(self, path: Path, *, create: bool) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | (os.O_CREAT if create else 0), 0o600)
        self._read = 0
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(self._file).st_nlink == 0:
                raise BlockingIOError(f"expected {path} to be there still, got one that another process has drained")
        except OSError:
            os.close(self._file)
            raise

    @property
    def unread(self) -> int:
        """Count the bytes that are still to be sent."""
        return os.fstat(self._file).st_size - self._read

    def append(self, records: bytes) -> None:
        """Write whole records, or none of them and raise OSError."""
        end = os.fstat(self._file).st_size
        if os.write(self._file, records) != len(records):
            os.ftruncate(self._file, end)
            raise OSError(f"expected room for {len(records)} bytes in {self.path}, got a short write")

    def peek(self) -> tuple[list[Letter], int]:
        """Read the next letters and the bytes they take; a torn or damaged tail is cut off."""
        buffer = os.pread(self._file, _READ_BYTES, self._read)
        letters, size = unpack(buffer)
        if buffer and not letters:
            buffer = os.pread(self._file, self.unread, self._read)
            letters, size = unpack(buffer)
            if not letters:
                log.error("spool.cut: %d damaged bytes at the end of %s can't be sent", len(buffer), self.path)
                os.ftruncate(self._file, self._read)
        return letters, size

    def forget(self, size: int) -> None:
        """Leave the next `size` bytes behind: they were sent."""
        self._read += size
        if self.unread == 0:
            os.ftruncate(self._file, 0)
            self._read = 0

    def remove(self) -> None:
        """Delete the file: it is drained."""
        self.path.unlink(missing_ok=True)
        self.abandon()

    def abandon(self) -> None:
        """Let go of the file; after a fork the parent's lock stays the parent's."""
        os.close(self._file)


class Spool:
    """The folder as one queue: leftovers of dead processes first, then what this process keeps itself."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
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
        used = self.stored_bytes()
        for letter in letters:
            record = pack(letter)
            if used + len(record) <= self._max_bytes * _share(letter):
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
                    self._files.insert(len(self._files) - (self._own is not None), SpoolFile(path, create=False))
                except (BlockingIOError, FileNotFoundError):
                    continue  # its owner lives, or another process was faster

    def peek(self) -> tuple[list[Letter], int]:
        """Read the next letters, oldest first, and the bytes they take; hand those to `forget` once they are sent."""
        while self._files:
            letters, size = self._files[0].peek()
            if letters or self._files[0] is self._own:
                return letters, size
            self._files.pop(0).remove()
        return [], 0

    def forget(self, size: int) -> None:
        """Leave behind what the last `peek` gave."""
        self._files[0].forget(size)

    def close(self) -> None:
        """Let go of every file; an empty one of our own is deleted."""
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
        return sorted(self._folder.glob(f"*{SUFFIX}"), key=lambda path: path.name.partition("-")[2])

    def _own_file(self) -> SpoolFile:
        """Open the file of this process; one that another process took over before it was locked is skipped."""
        while self._own is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._own = SpoolFile(self._folder / f"{os.getpid()}-{time.time_ns()}{SUFFIX}", create=True)
            except BlockingIOError:
                continue
            self._files.append(self._own)
        return self._own
