"""One file of the spool: appended to by its process, read from its start, locked while its process lives."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Final

from eventbus.records import LONGEST, Reading, read

if TYPE_CHECKING:
    from pathlib import Path

_READ_BYTES: Final = 1 << 20


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
            self._size = os.fstat(self._file).st_size
        except OSError:
            os.close(self._file)
            raise

    @property
    def size(self) -> int:
        """Count its bytes; nobody else changes them."""
        return self._size

    @property
    def unread(self) -> int:
        """Count the bytes that are still to be sent."""
        return self._size - self._read

    def append(self, records: bytes) -> None:
        """Write whole records, or none of them and raise OSError."""
        written = os.write(self._file, records)
        if written != len(records):
            os.ftruncate(self._file, self._size)
            raise OSError(f"expected room for {len(records)} bytes in {self.path}, got room for {written}")
        self._size += written

    def read(self) -> Reading:
        """Read the next letters, or how many damaged bytes stand before them."""
        reading = read(os.pread(self._file, _READ_BYTES, self._read))
        if reading.skip:  # damaged, or longer than what was read
            reading = read(os.pread(self._file, 2 * LONGEST, self._read))
        return reading

    def forget(self, size: int) -> None:
        """Leave the next `size` bytes behind: they were sent, or can't be."""
        self._read += size
        if self.unread == 0:
            self.empty()

    def empty(self) -> None:
        """Leave all behind."""
        os.ftruncate(self._file, 0)
        self._read = self._size = 0

    def remove(self) -> None:
        """Delete the file: it is drained."""
        self.path.unlink(missing_ok=True)
        self.abandon()

    def abandon(self) -> None:
        """Let go of the file; after a fork the parent's lock stays the parent's."""
        os.close(self._file)
