"""The sink that writes JSON lines into a folder, one for each event, under its key."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from threading import Lock
from time import time
from typing import TYPE_CHECKING, Final

import orjson

from orchestrator.domain.events import Deferred, Delivered
from orchestrator.sinks.parcels import pack, send_apart
from orchestrator.sinks.rotation import Folder, flush
from orchestrator.sinks.unfit import read, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from orchestrator.domain.events import Delivery, EventRecord, StoredEvent

READABLE_BY_GROUP: Final = 0o640
TAIL: Final = 65_536


class FileSink:
    """Appends to `folder`/NAME-TIME.jsonl, and begins another at `rotate_bytes` or after `rotate_seconds`.

    Several threads and processes may write to one folder: they take turns. `keep` is how many packed files stay; 0
    keeps all. A line may be there twice after a crash, under the same key.
    """

    def __init__(  # noqa: PLR0913 - one argument for each key of its table
        self,
        folder: Path,
        types: Iterable[str],
        *,
        name: str = "file",
        rotate_bytes: int = 100_000_000,
        rotate_seconds: float = 86_400.0,
        keep: int = 0,
        clock: Callable[[], float] = time,
    ) -> None:
        self.name = name
        self.types = frozenset(types)
        self._files = Folder(folder, name, rotate_bytes, rotate_seconds, keep)
        self._clock = clock
        self._turn = Lock()

    def close(self) -> None:
        """Wait for a file that is being packed."""
        self._files.close()

    def deliver(self, batch: Sequence[StoredEvent]) -> Delivery:
        """Append the batch and flush it to the disk; a folder that cannot be written to defers it."""
        parcels, refused = pack(batch, _line)
        return send_apart([parcels], self._write, refused)

    def _write(self, lines: list[bytes]) -> Delivered | Deferred:
        try:
            with self._turn, self._alone():
                _append(self._files.current(self._clock()), b"".join(lines))
        except OSError as error:
            return Deferred(f"the folder of the sink {self.name} cannot be written to: {error.strerror or error}")
        return Delivered()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes away until this is done."""
        self._files.path.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._files.path / f".{self.name}.lock", os.O_CREAT | os.O_RDWR, READABLE_BY_GROUP)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _append(path: Path, lines: bytes) -> None:
    """Write and flush all of the lines, or leave the file as it was; a line that was cut off before is taken away."""
    created = not path.exists()
    opened = os.open(path, os.O_CREAT | os.O_RDWR, READABLE_BY_GROUP)
    try:
        end = _whole(opened)
        try:
            _write_all(opened, lines, end)
            os.fsync(opened)
        except OSError:
            with suppress(OSError):
                os.ftruncate(opened, end)
            raise
    finally:
        os.close(opened)
    if created:
        flush(path.parent)


def _write_all(opened: int, lines: bytes, at: int) -> None:
    rest = memoryview(lines)
    while rest:
        written = os.pwrite(opened, rest, at)
        rest, at = rest[written:], at + written


def _whole(opened: int) -> int:
    """Cut off what a crash left of a line, and give the length of the rest."""
    end = size = os.fstat(opened).st_size
    while end:
        begin = max(0, end - TAIL)
        newline = os.pread(opened, end - begin, begin).rfind(b"\n")
        if newline >= 0:
            end = begin + newline + 1
            break
        end = begin
    if end != size:
        os.ftruncate(opened, end)
    return end


def _line(record: EventRecord) -> bytes:
    """Write an event as one line, whatever its own bytes hold; raises Unfit when they hold none."""
    return written({"key": record.key, "event": read(record.body)}, orjson.OPT_APPEND_NEWLINE)
