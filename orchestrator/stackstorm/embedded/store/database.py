"""The SQLite file under all tables: rows of JSON documents, with the columns that lists are filtered by."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded.errors import ContentError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

Document = dict[str, Any]
# To be raised with every change of a table: a file of another version is refused, never half understood.
VERSION: Final = 3
Row = tuple[Any, ...]


class Database:
    """Two connections that threads share, each under its lock: no long list holds up a decision, no decision a list.

    Inside a transaction everything goes through the first, so that a decision reads what it has written.
    """

    def __init__(self, path: Path) -> None:
        self._lock, self._reading = threading.RLock(), threading.Lock()
        self._depth = 0
        self._inside: int | None = None
        path.touch(mode=0o600)  # SQLite gives its other files the same mode
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("pragma journal_mode = wal")
        # A kill of this process loses nothing; only the machine's own crash could cost the last commits.
        self._connection.execute("pragma synchronous = normal")
        # Each checkpoint waits for the disk, and whoever commits waits with it: seldom is better than often here.
        self._connection.execute("pragma wal_autocheckpoint = 4000")
        # What a turn may have to undo outgrows 64 KB soon, and then goes to a file that is made for it: 0.15 ms each.
        self._connection.execute("pragma temp_store = memory")
        self._check_version(path)
        self._reader = sqlite3.connect(path, check_same_thread=False, isolation_level=None)

    def _check_version(self, path: Path) -> None:
        found = self._connection.execute("pragma user_version").fetchone()[0]
        if self._connection.execute("select count(*) from sqlite_master").fetchone()[0] and found != VERSION:
            self._connection.close()
            expected = f"expected a state of version {VERSION}, got {found}: remove the file, or name another folder"
            raise ContentError(path, "", expected)
        self._connection.execute(f"pragma user_version = {VERSION}")

    def create(self, schema: str) -> None:
        """Make the tables that are not there yet."""
        with self._lock:
            self._connection.executescript(schema)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all that is written inside, or nothing; one inside another is part of it, and may fail alone."""
        with self._lock:
            depth = self._depth
            self._connection.execute(f"savepoint depth{depth}" if depth else "begin immediate")
            self._depth, self._inside = depth + 1, threading.get_ident()
            try:
                yield
            except BaseException:
                if self._connection.in_transaction:
                    self._roll_back(depth)
                raise
            else:
                self._connection.execute(f"release depth{depth}" if depth else "commit")
            finally:
                self._depth, self._inside = depth, self._inside if depth else None

    def together(self) -> AbstractContextManager[None]:
        """Write all that is written inside, or nothing: a transaction of its own where none goes on.

        What fails inside one that goes on is not undone alone: the whole has to fail.
        """
        return nullcontext() if self._inside == threading.get_ident() else self.transaction()

    def _roll_back(self, depth: int) -> None:
        if depth:
            self._connection.execute(f"rollback to depth{depth}")
            self._connection.execute(f"release depth{depth}")
        else:
            self._connection.execute("rollback")

    def write(self, statement: str, values: Sequence[Any]) -> None:
        """Run one statement that changes rows."""
        with self._lock:
            self._connection.execute(statement, values)

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        """Give all rows of a query."""
        if self._inside == threading.get_ident():
            return self._connection.execute(query, values).fetchall()
        with self._reading:
            return self._reader.execute(query, values).fetchall()

    def documents(self, query: str, values: Sequence[Any] = ()) -> list[Document]:
        """Give the documents of a query whose first column holds them."""
        return [json.loads(row[0]) for row in self.rows(query, values)]

    def document(self, query: str, values: Sequence[Any]) -> Document | None:
        """Give the first document of a query, or none."""
        return next(iter(self.documents(query, values)), None)

    def page(
        self, table: str, filters: Mapping[str, Any], limit: int, offset: int, *, newest_first: bool
    ) -> tuple[list[Document], int]:
        """Give one page of a table's documents, and how many match in all; a filter of None wants the column empty.

        Tables and columns are no input.
        """
        where = " and ".join(f"{column} is ?" for column in filters) or "1"
        order = "desc" if newest_first else "asc"
        values = tuple(filters.values())
        total = self.rows(f"select count(*) from {table} where {where}", values)[0][0]  # noqa: S608 constants of the routes
        query = f"select document from {table} where {where} order by id {order} limit ? offset ?"  # noqa: S608 as above
        return self.documents(query, (*values, limit, offset)), total

    def close(self) -> None:
        """Close the file."""
        with self._lock, self._reading:
            self._reader.close()
            self._connection.close()
