"""The files of one journal: the runs that began, written by one process; and the ends, written by all of a worker's."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, Final, Self

from eventbus.journal_records import Cover, ends_in, turn

if TYPE_CHECKING:
    from pathlib import Path

OWNER: Final = "owner"
RUNS: Final = "runs"
ENDS: Final = ("ends-0", "ends-1")
MAX_BYTES: Final = 256 << 20
_APPENDING: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class Runs:
    """The file of begun runs. Its methods raise OSError when the disk refuses, and leave whole records only."""

    def __init__(self, place: Path) -> None:
        self._path = place / RUNS
        self._file = os.open(self._path, _APPENDING, 0o600)
        self.size = 0
        self.turn = 0

    def append(self, record: bytes) -> None:
        """Add a record at the end."""
        size = len(record)
        if self.size + size > MAX_BYTES:
            raise OSError(f"expected at most {MAX_BYTES} bytes of runs in {self._path}, got {self.size}")
        try:
            _write(self._file, record)
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self.size += size

    def replace(self, content: bytes) -> None:
        """Have the file hold this instead, whatever happens meanwhile: the whole of the one or of the other.

        What was appended while `turn` was another one is gone.
        """
        size, turn = len(content), self.turn + 1
        draft = self._path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        file = os.open(draft, _APPENDING, 0o600)
        try:
            _write(file, content)
            draft.rename(self._path)
        except BaseException:
            os.close(file)
            draft.unlink(missing_ok=True)
            raise
        # No call in between: a handler of a signal that appends finds all three, or none.
        file, self._file, self.size, self.turn = self._file, file, size, turn
        os.close(file)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


class Ends:
    """Two files of ended runs that take turns, so that one can be emptied while processes write to the other.

    Forked children learn from shared memory which one is in use, executed ones from the file `owner`.
    """

    def __init__(self, place: Path, in_use: mmap.mmap | _InUse, owner: int) -> None:
        self._files = tuple(os.open(place / name, _APPENDING, 0o600) for name in ENDS)
        self._in_use = in_use
        self._owner = owner
        self._turns = [0, 0]
        self._read = [0, 0]

    @classmethod
    def make(cls, place: Path, owner: int) -> Self:
        """Make the files, in a worker's main process; `owner` is the descriptor of its file."""
        return cls(place, mmap.mmap(-1, 1), owner)

    @classmethod
    def join(cls, place: Path) -> Self:
        """Open the files in another process."""
        owner = os.open(place / OWNER, os.O_RDONLY | os.O_CLOEXEC)
        return cls(place, _InUse(owner), owner)

    @property
    def lock_file(self) -> int:
        """The descriptor that this process shares with all that were forked from the one that made it."""
        return self._files[0]

    def append(self, lines: bytes) -> None:
        """Add lines at the end of the file in use; a torn one harms no other. Raises OSError when the disk refuses."""
        _write(self._files[self._in_use[0]], lines)

    def unread(self) -> list[bytes]:
        """Give the names in both files since the last time."""
        names: list[bytes] = []
        for which, file in enumerate(self._files):
            lines = os.pread(file, os.fstat(file).st_size - self._read[which], self._read[which])
            found, size = ends_in(lines)
            names += found
            self._read[which] += size
        return names

    def next_cover(self) -> Cover:
        """Tell what a file of runs covers that is written now: all that was read, nothing of what is emptied next."""
        turns, read = self._next()
        return Cover(turns[0], read[0], turns[1], read[1])

    def _next(self) -> tuple[list[int], list[int]]:
        idle = 1 - self._in_use[0]
        turns, read = [*self._turns], [*self._read]
        turns[idle], read[idle] = max(turns) + 1, 0
        return turns, read

    def take_turns(self) -> None:
        """Empty the file that is not in use, and use it."""
        idle = 1 - self._in_use[0]
        turns, read = self._next()
        os.ftruncate(self._files[idle], 0)
        _write(self._files[idle], turn(turns[idle]))
        self._turns, self._read = turns, read
        self._in_use[0] = idle
        os.pwrite(self._owner, b"%d" % idle, 0)

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files:
            os.close(file)


def _write(file: int, content: bytes) -> None:
    written = os.write(file, content)
    if written != len(content):
        raise OSError(f"expected room for {len(content)} bytes, got some for {written}")


class _InUse:
    """Which file of ends is in use, read from the worker's own file."""

    def __init__(self, owner: int) -> None:
        self._owner = owner

    def __getitem__(self, _: int) -> int:
        return int(os.pread(self._owner, 1, 0))

    def __setitem__(self, _: int, which: int) -> None:
        os.pwrite(self._owner, b"%d" % which, 0)
