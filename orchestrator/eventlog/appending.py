"""Appending through the drivers themselves: SQLAlchemy takes longer over a row than both databases do."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

import psycopg

from orchestrator.domain.errors import DependencyUnreachable, Unstorable
from orchestrator.domain.events import Appended
from orchestrator.failpoints import hit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Engine

    from orchestrator.domain.events import EventRecord

    Row = tuple[Any, ...]
    Commit = Callable[[Sequence[Sequence[Row]]], Sequence[Appended]]

# The columns that an append writes, and their types in a binary COPY.
TYPES: Final = {
    "key": "uuid",
    "id": "text",
    "source": "text",
    "type": "text",
    "time": "timestamptz",
    "lane": "varchar",
    "body": "bytea",
    "price_status": "varchar",
    "price_usd": "text",
    "price_version": "text",
    "organization": "text",
    "trace": "varchar",
    "failed": "bool",
    "accepted_at": "timestamptz",
}
COLUMNS: Final = ", ".join(TYPES)
INSERT: Final = f"INSERT INTO events ({COLUMNS}) VALUES ({', '.join('?' * len(TYPES))}) ON CONFLICT DO NOTHING"  # noqa: S608 - names of our own
# The one lock under which PostgreSQL hands out numbers; it is held until the commit is visible.
APPENDING: Final = "SELECT pg_advisory_xact_lock(hashtext('redrive.eventlog.append'))"
KNOWN: Final = "SELECT key FROM events WHERE key = ANY(%s)"
COPY: Final = f"COPY events ({COLUMNS}) FROM STDIN (FORMAT BINARY)"


def row_of(record: EventRecord, accepted_at: datetime) -> Row:
    """Give the columns of a record in the order of TYPES."""
    price = record.price
    return (
        record.key,
        record.id,
        record.source,
        record.type,
        record.time,
        record.lane.value,
        record.body,
        price.status.value,
        None if price.usd is None else str(price.usd),
        price.version,
        record.organization,
        record.trace,
        record.failed,
        accepted_at,
    )


def sqlite_row_of(record: EventRecord, accepted_at: datetime) -> Row:
    """Give the same as SQLite keeps it: keys as 32 digits, times as text in UTC, truth as a number."""
    key, *middle, failed, at = row_of(record, accepted_at)
    middle[3] = _text(record.time)
    return (key.hex, *middle, int(failed), _text(at))


def _text(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError(f"expected a time with an offset, got {moment.isoformat()}")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def sqlite_commit(engine: Engine, batches: Sequence[Sequence[Row]]) -> list[Appended]:
    """Write the batches in one transaction, each row unless its key is there; raises Unstorable with none written."""
    with _errors_told("event log"), _borrowed(engine) as connection:
        cursor = connection.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        try:
            appended = [_inserted(cursor, rows) for rows in batches]
            hit("eventlog_appending")
            cursor.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                cursor.execute("ROLLBACK")
            raise
        return appended


def _inserted(cursor: sqlite3.Cursor, rows: Sequence[Row]) -> Appended:
    new = cursor.executemany(INSERT, rows).rowcount
    return Appended(new=new, duplicate=len(rows) - new)


def postgres_commit(engine: Engine, batches: Sequence[Sequence[Row]]) -> list[Appended]:
    """Write the batches in one transaction under the appenders' lock, which makes looking before writing exact."""
    with _errors_told("event log"), _borrowed(engine) as connection, connection.transaction():
        connection.execute(APPENDING)
        keys = [row[0] for rows in batches for row in rows]
        known = {key for (key,) in connection.execute(KNOWN, [keys])}
        fresh: list[Row] = []
        appended = []
        for rows in batches:
            new = _unknown(rows, known)
            fresh += new
            appended.append(Appended(new=len(new), duplicate=len(rows) - len(new)))
        if fresh:
            _copy(connection, fresh)
        hit("eventlog_appending")
        return appended


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
def _errors_told(what: str) -> Iterator[None]:
    """Turn the drivers' errors into ours, as `reachable` does with SQLAlchemy's."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.DataError, psycopg.IntegrityError, psycopg.DataError) as error:
        raise Unstorable(what, str(error).strip()) from error
    except (UnicodeEncodeError, OverflowError) as error:
        raise Unstorable(what, str(error)) from error
    except (sqlite3.Error, psycopg.Error) as error:
        raise DependencyUnreachable(what, str(error).strip()) from error
