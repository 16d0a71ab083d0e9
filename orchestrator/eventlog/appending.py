"""Appending through the drivers themselves: SQLAlchemy takes longer over a row than both databases do."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import psycopg
from sqlalchemy import event

from orchestrator.domain.errors import DependencyUnreachable, LogFull, Unstorable
from orchestrator.domain.events import Appended
from orchestrator.domain.room import RETRY_AFTER, Held
from orchestrator.eventlog.columns import BODY, COLUMNS, TYPES, rows_of, sqlite_rows_of
from orchestrator.eventlog.schema import STORE
from orchestrator.failpoints import hit
from orchestrator.stores import reachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection

    from orchestrator.domain.room import Room
    from orchestrator.eventlog.columns import Batch, Row

# Rows that one statement inserts: the driver gives the interpreter's lock away at each statement, and with many callers
# gets it back late. A few sizes only, so that their statements stay compiled.
CHUNKS: Final = (64, 16, 4, 1)


def _insert_of(rows: int) -> str:
    """Give the statement for so many rows.

    A key that is known from a row that was dropped is a duplicate too; one that is there already changes nothing.
    """
    row = f"({', '.join('?' * len(TYPES))})"
    return (
        f"INSERT INTO events ({COLUMNS}) SELECT * FROM (VALUES {', '.join([row] * rows)}) AS fresh "  # noqa: S608 - names of our own
        "WHERE NOT EXISTS (SELECT 1 FROM past_keys WHERE key = fresh.column1) ON CONFLICT DO NOTHING"
    )


INSERTS: Final = {rows: _insert_of(rows) for rows in CHUNKS}
CHECKPOINT_PAGES: Final = 8000
HELD: Final = "SELECT events, bytes FROM held"
HOLD: Final = "UPDATE held SET events = events + {0}, bytes = bytes + {0}"
# The one lock under which PostgreSQL hands out numbers; it is held until the commit is visible.
APPENDING: Final = "SELECT pg_advisory_xact_lock(hashtext('redrive.eventlog.append'))"
KNOWN: Final = (
    "SELECT key FROM events WHERE key = ANY(%(keys)s) UNION ALL SELECT key FROM past_keys WHERE key = ANY(%(keys)s)"
)
COPY: Final = f"COPY events ({COLUMNS}) FROM STDIN (FORMAT BINARY)"


class SqliteAppender:
    """Writes batches in one transaction, as far as there is room; raises Unstorable with none of them written."""

    rows_of = staticmethod(sqlite_rows_of)

    def __init__(self, engine: Engine, room: Room) -> None:
        self._engine = engine
        self._room = room
        # SQLite has one writer, and its own waiting is by sleeps.
        self.turn = Lock()
        event.listen(engine, "connect", _checkpoint_seldom)

    def __call__(self, batches: Sequence[Batch]) -> list[Appended | LogFull]:
        """Tell for each batch what became of it."""
        with self.turn, reachable(STORE.name), _errors_told(), _borrowed(self._engine) as connection:
            cursor = connection.cursor()
            try:
                outcomes = self._inserted_all(cursor, batches) or self._inserted_each(cursor, batches)
                hit("eventlog_appending")
                cursor.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    cursor.execute("ROLLBACK")
                raise
        hit("eventlog_appended")
        return outcomes

    def _inserted_all(self, cursor: sqlite3.Cursor, batches: Sequence[Batch]) -> list[Appended | LogFull]:
        """Insert everything in one go, which does not tell which rows were new: nothing unless all were."""
        cursor.execute("BEGIN IMMEDIATE")
        admitted, refused = fitting(self._room, Held(*cursor.execute(HELD).fetchone()), batches)
        new = _insert(cursor, list(chain.from_iterable(each.rows for each in admitted)))
        if new != sum(map(len, admitted)):
            cursor.execute("ROLLBACK")
            return []
        cursor.execute(HOLD.format("?"), (new, sum(each.bytes for each in admitted)))
        return [LogFull(RETRY_AFTER) if each in refused else _all_new(len(each)) for each in batches]

    def _inserted_each(self, cursor: sqlite3.Cursor, batches: Sequence[Batch]) -> list[Appended | LogFull]:
        """Insert row by row."""
        cursor.execute("BEGIN IMMEDIATE")
        _, refused = fitting(self._room, Held(*cursor.execute(HELD).fetchone()), batches)
        return [LogFull(RETRY_AFTER) if each in refused else _inserted(cursor, each) for each in batches]


def _checkpoint_seldom(connection: DBAPIConnection, _record: object) -> None:
    """Copy pages from the write-ahead log once it has 32 MB: an index's last page would be copied each time."""
    connection.cursor().execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")


def fitting(room: Room, held: Held, batches: Sequence[Batch]) -> tuple[list[Batch], list[Batch]]:
    """Part the batches into those that there is room for, as if every row were new, and the others."""
    everything = held.with_more(sum(map(len, batches)), sum([each.bytes for each in batches]))
    if room.admits(everything, urgent=False):
        return list(batches), []
    admitted, refused = [], []
    for batch in batches:
        after = held.with_more(len(batch), batch.bytes)
        if room.admits(after, urgent=batch.urgent):
            admitted.append(batch)
            held = after
        else:
            refused.append(batch)
    return admitted, refused


def _insert(cursor: sqlite3.Cursor, rows: Sequence[Row]) -> int:
    """Insert rows by the largest statements that they fill; gives how many were new."""
    new = at = 0
    for size in CHUNKS:
        while len(rows) - at >= size:
            new += cursor.execute(INSERTS[size], list(chain.from_iterable(rows[at : at + size]))).rowcount
            at += size
    return new


@lru_cache
def _all_new(rows: int) -> Appended:
    return Appended(new=rows, duplicate=0)


def _inserted(cursor: sqlite3.Cursor, batch: Batch) -> Appended:
    new = [row for row in batch.rows if cursor.execute(INSERTS[1], row).rowcount]
    cursor.execute(HOLD.format("?"), (len(new), _bytes(new)))
    return Appended(new=len(new), duplicate=len(batch) - len(new))


def _bytes(rows: Sequence[Row]) -> int:
    return sum(len(row[BODY]) for row in rows)


class PostgresAppender:
    """Writes batches in one transaction under the appenders' lock, which makes looking before writing exact."""

    rows_of = staticmethod(rows_of)

    def __init__(self, engine: Engine, room: Room) -> None:
        self._engine = engine
        self._room = room
        # PostgreSQL makes writers wait by itself, of every process.
        self.turn = nullcontext()

    def __call__(self, batches: Sequence[Batch]) -> list[Appended | LogFull]:
        """Tell for each batch what became of it."""
        with reachable(STORE.name), _errors_told(), _borrowed(self._engine) as connection, connection.transaction():
            connection.execute(APPENDING)
            outcomes = self._inserted(connection, batches)
            hit("eventlog_appending")
        hit("eventlog_appended")
        return outcomes

    def _inserted(self, connection: psycopg.Connection, batches: Sequence[Batch]) -> list[Appended | LogFull]:
        keys = [row[0] for batch in batches for row in batch.rows]
        known = {key for (key,) in connection.execute(KNOWN, {"keys": keys})}
        (held,) = connection.execute(HELD).fetchall()
        _, refused = fitting(self._room, Held(*held), batches)
        fresh: list[Row] = []
        outcomes: list[Appended | LogFull] = []
        for batch in batches:
            new = [] if batch in refused else _unknown(batch.rows, known)
            fresh += new
            duplicate = len(batch) - len(new)
            outcomes.append(LogFull(RETRY_AFTER) if batch in refused else Appended(len(new), duplicate))
        if fresh:
            _copy(connection, fresh)
            connection.execute(HOLD.format("%s"), (len(fresh), _bytes(fresh)))
        return outcomes


def _unknown(rows: Sequence[Row], known: set[Any]) -> list[Row]:
    """Leave out the rows whose keys are known, and know the others from here on."""
    new = []
    for row in rows:
        if row[0] not in known:
            known.add(row[0])
            new.append(row)
    return new


def _copy(connection: psycopg.Connection, rows: Sequence[Row]) -> None:
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        copy.set_types(list(TYPES.values()))
        for row in rows:
            copy.write_row(row)


@contextmanager
def _borrowed(engine: Engine) -> Iterator[Any]:
    """Borrow a connection of the driver's from the engine's pool."""
    borrowed = engine.raw_connection()
    try:
        yield borrowed.driver_connection
    finally:
        borrowed.close()


@contextmanager
def _errors_told() -> Iterator[None]:
    """Turn the drivers' errors into ours, as `reachable` does with SQLAlchemy's."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.DataError, psycopg.IntegrityError, psycopg.DataError) as error:
        raise Unstorable(STORE.name, str(error).strip()) from error
    except (UnicodeEncodeError, OverflowError) as error:
        raise Unstorable(STORE.name, str(error)) from error
    except (sqlite3.Error, psycopg.Error) as error:
        raise DependencyUnreachable(STORE.name, str(error).strip()) from error
