"""The peer: SQLite as a list of rows, with the plainest group commit, through the driver alone.

One table, its number and a unique key of 16 bytes, a payload of as many bytes as the log's row has; synchronous=FULL.
"""

from __future__ import annotations

import sqlite3
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    Row = tuple[bytes, bytes]

TABLE: Final = "CREATE TABLE rows (seq INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, payload BLOB NOT NULL)"
INSERT: Final = "INSERT INTO rows (key, payload) VALUES (?, ?) ON CONFLICT DO NOTHING"


class BareSqlite:
    """Takes rows from many threads. Whoever gets the file's lock writes all that wait; the others find it done."""

    def __init__(self, path: Path) -> None:
        self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", TABLE):
            self._file.execute(statement)
        self._queue: list[tuple[list[Row], Lock]] = []
        self._queueing = Lock()
        self._led = False

    def append(self, rows: list[Row]) -> None:
        """Return once the rows are on disk."""
        done = Lock()
        done.acquire()
        with self._queueing:
            self._queue.append((rows, done))
            leads, self._led = not self._led, True
        if not leads:
            done.acquire()
            return
        while self._write():
            pass

    def _write(self) -> bool:
        with self._queueing:
            waiting, self._queue = self._queue, []
            if not waiting:
                self._led = False
                return False
        cursor = self._file.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        for rows, _ in waiting:
            cursor.executemany(INSERT, rows)
        cursor.execute("COMMIT")
        for _, done in waiting:
            done.release()
        return True

    def close(self) -> None:
        """Close the file."""
        self._file.close()
