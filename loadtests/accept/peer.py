"""The peer: SQLite as a list of rows, with the plainest group commit, through the driver alone.

One table: a number, a unique key of 16 bytes, and a payload of as many bytes as the log's row has; synchronous=FULL. Of
three ways to share a commit that were tried (a lock around the commit, one leader until nobody waits, a lead that is
handed on), the last was the fastest, and is the one here.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    Row = tuple[bytes, bytes]

TABLE: Final = "CREATE TABLE rows (seq INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, payload BLOB NOT NULL)"
INSERT: Final = "INSERT INTO rows (key, payload) VALUES (?, ?) ON CONFLICT DO NOTHING"


@dataclass(slots=True)
class _Caller:
    rows: list[Row]
    turn: Lock = field(default_factory=Lock)
    done: bool = False


class BareSqlite:
    """Takes rows from many threads."""

    def __init__(self, path: Path) -> None:
        self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", TABLE):
            self._file.execute(statement)
        self._queue: list[_Caller] = []
        self._lock = Lock()
        self._led = False

    def append(self, rows: list[Row]) -> None:
        """Return once the rows are on disk."""
        mine = _Caller(rows)
        mine.turn.acquire()
        with self._lock:
            self._queue.append(mine)
            waits, self._led = self._led, True
        if waits:
            mine.turn.acquire()
        if not mine.done:
            self._lead()

    def _lead(self) -> None:
        with self._lock:
            group, self._queue = self._queue, []
        cursor = self._file.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        for each in group:
            cursor.executemany(INSERT, each.rows)
        cursor.execute("COMMIT")
        with self._lock:
            self._led = bool(self._queue)
            if self._queue:
                self._queue[0].turn.release()
        for each in group[1:]:
            each.done = True
            each.turn.release()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
