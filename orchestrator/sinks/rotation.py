"""The files of a folder sink: which is written to, when another begins, and what becomes of those before it.

A file is named for the moment it began, so that the newest by name is the one that is written to. Those before it are
packed by a thread, one after the other; what a crash left unpacked is packed with the next.
"""

from __future__ import annotations

import fcntl
import gzip
import os
import shutil
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import IO, TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from pathlib import Path

LINES: Final = ".jsonl"
PACKED: Final = ".jsonl.gz"
UNFINISHED: Final = ".unfinished"
MOMENT: Final = "%Y%m%dT%H%M%S.%fZ"
READABLE_BY_GROUP: Final = 0o640

log = structlog.get_logger("redrive")


class Folder:
    """The files of one sink. One at a time may call `current`."""

    def __init__(self, path: Path, name: str, most_bytes: int, most_seconds: float, keep: int) -> None:
        self.path = path
        self._name = name
        self._most_bytes = most_bytes
        self._most_seconds = most_seconds
        self._keep = keep
        self._packing: Thread | None = None

    def current(self, now: float) -> Path:
        """Give the file to append to at a moment (seconds since 1970): the newest, or a new one in its stead."""
        files = self._of(LINES)
        if files and not self._is_over(files[-1], now):
            return files[-1]
        if files:
            self._pack(files)
        # A clock that was set back must not make a name before the last one.
        after = max((self._began(each) or 0.0 for each in (*files, *self._of(PACKED))), default=0.0)
        began = datetime.fromtimestamp(max(now, after), UTC) + timedelta(microseconds=1 if now <= after else 0)
        return self.path / f"{self._name}-{began.strftime(MOMENT)}{LINES}"

    def close(self) -> None:
        """Wait for the file that is being packed."""
        if self._packing is not None:
            self._packing.join()

    def _is_over(self, file: Path, now: float) -> bool:
        if file.stat().st_size >= self._most_bytes:
            return True
        began = self._began(file)
        return began is not None and now - began >= self._most_seconds

    def _began(self, file: Path) -> float | None:
        moment = file.name.removeprefix(f"{self._name}-").removesuffix(".gz").removesuffix(LINES)
        try:
            return datetime.strptime(moment, MOMENT).replace(tzinfo=UTC).timestamp()
        except ValueError:
            return None

    def _of(self, ending: str) -> list[Path]:
        """List the sink's files of a kind, oldest first; another sink's name may begin with this one's."""
        found = (each for each in self.path.glob(f"{self._name}-*{ending}") if self._began(each) is not None)
        return sorted(found)

    def _pack(self, files: list[Path]) -> None:
        if self._packing is None or not self._packing.is_alive():
            self._packing = Thread(target=self._pack_all, args=(files,), name=f"{self._name}-packing")
            self._packing.start()

    def _pack_all(self, files: list[Path]) -> None:
        try:
            for file in files:
                pack(file)
            for old in self._of(PACKED)[: -self._keep] if self._keep else []:
                old.unlink(missing_ok=True)
        except OSError as error:
            log.warning("file.not_packed", sink=self._name, error=str(error))


def pack(file: Path) -> None:
    """Compress a file that is complete, and take it away; nothing is lost at any moment. One that is gone is done."""
    packed = file.with_name(file.name.removesuffix(LINES) + PACKED)
    unfinished = packed.with_name(packed.name + UNFINISHED)
    with suppress(FileNotFoundError), file.open("rb") as source:
        # Another process may be at it.
        fcntl.flock(source, fcntl.LOCK_EX)
        if not file.exists():
            return
        _compress(source, unfinished)
        unfinished.replace(packed)
        flush(file.parent)
        file.unlink()


def flush(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _compress(source: IO[bytes], path: Path) -> None:
    opened = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, READABLE_BY_GROUP)
    try:
        with os.fdopen(opened, "wb") as target:
            with gzip.GzipFile(fileobj=target, mode="wb") as zipped:
                shutil.copyfileobj(source, zipped, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise
