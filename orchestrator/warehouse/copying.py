"""Rows into PostgreSQL by binary COPY, the fastest way in.

COPY knows no conflicts: one row that is there already ends it. Rows that are new, as nearly all are, are copied
straight into their tables; where one was not, none of that COPY stays, and the batch goes again by a temporary table of
this connection's own and INSERT ... ON CONFLICT DO NOTHING. Either way the batch is one commit.
"""

from __future__ import annotations

from contextlib import contextmanager
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.errors import UniqueViolation
from sqlalchemy import BigInteger, Boolean, Double, Uuid

from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.stores import Unstorable, UtcDateTime
from orchestrator.warehouse.columns import Usd
from orchestrator.warehouse.runs import MERGED
from orchestrator.warehouse.schema import code_exec_logs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Table

# PostgreSQL's names of the types: a binary COPY converts nothing.
TYPES: Final = {
    Uuid: "uuid",
    BigInteger: "int8",
    Usd: "numeric",
    UtcDateTime: "timestamptz",
    Double: "float8",
    Boolean: "bool",
}
Part = tuple["Table", tuple[str, ...], "Sequence[Any]"]


@contextmanager
def reachable(what: str) -> Iterator[None]:
    """Turn the driver's own errors into ours, as `stores.reachable` does with those that come by SQLAlchemy."""
    try:
        yield
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        raise Unstorable(what, str(error).strip()) from error
    except psycopg.Error as error:
        raise DependencyUnreachable(what, str(error).strip()) from error


def insert(connection: Connection, parts: Sequence[Part]) -> int:
    """Insert what is not there yet, each part into its table; say how many rows that were."""
    if any(_begun(connection, *part) for part in parts):
        return sum(_staged(connection, *part) for part in parts)
    try:
        with connection.begin_nested():
            return sum(_copy(connection, part[0].name, *part) for part in parts)
    except UniqueViolation:
        return sum(_staged(connection, *part) for part in parts)


def merge(connection: Connection, columns: tuple[str, ...], rows: Sequence[Any]) -> None:
    """Merge rows of `code_exec_logs` with what is there, as `runs` says; one that brings no news writes nothing."""
    table = code_exec_logs
    _copy(connection, _stage(connection, table), table, columns, rows)
    names, news = ", ".join(columns), [_merged(table, name) for name in ("created_at", *MERGED)]
    olds = ", ".join(f"{table.name}.{name}" for name in ("created_at", *MERGED))
    sets = ", ".join(f"{name} = {new}" for name, new in zip(("created_at", *MERGED), news, strict=True))
    connection.exec_driver_sql(
        f"INSERT INTO {table.name} ({names}) SELECT {names} FROM pg_temp.staged_{table.name} ORDER BY id "  # noqa: S608 - names of our own schema
        f"ON CONFLICT (id) DO UPDATE SET {sets} WHERE ({olds}) IS DISTINCT FROM ({', '.join(news)})"
    )


def _merged(table: Table, name: str) -> str:
    if name == "created_at":
        return f"LEAST({table.name}.created_at, EXCLUDED.created_at)"
    # The order of code points, as in Python, whatever the database's own order of text is.
    order = ' COLLATE "C"' if type(table.c[name].type) not in TYPES else ""
    return f"GREATEST({table.name}.{name}{order}, EXCLUDED.{name}{order})"


def _begun(connection: Connection, table: Table, _columns: tuple[str, ...], rows: Sequence[Any]) -> bool:
    """Look whether the first or the last row is there: a batch that comes again has not to be copied in vain."""
    ends = f"SELECT 1 FROM {table.name} WHERE id IN (%s, %s) LIMIT 1"  # noqa: S608 - a name of our own schema
    return connection.exec_driver_sql(ends, (rows[0].id, rows[-1].id)).first() is not None


def _stage(connection: Connection, table: Table) -> str:
    staged = f"staged_{table.name}"
    connection.exec_driver_sql(f"CREATE TEMP TABLE IF NOT EXISTS {staged} (LIKE {table.name}) ON COMMIT DELETE ROWS")
    return f"pg_temp.{staged}"


def _staged(connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Any]) -> int:
    staged, names = _stage(connection, table), ", ".join(columns)
    _copy(connection, staged, table, columns, rows)
    into = f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {staged} ON CONFLICT DO NOTHING"  # noqa: S608 - names of our own schema
    return connection.exec_driver_sql(into).rowcount


def _copy(connection: Connection, target: str, table: Table, columns: tuple[str, ...], rows: Sequence[Any]) -> int:
    driver: Any = connection.connection.cursor()
    statement = f"COPY {target} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
    with driver as cursor, cursor.copy(statement) as copy:
        copy.set_types([TYPES.get(type(table.c[name].type), "text") for name in columns])
        write = copy.write_row
        for values in map(attrgetter(*columns), rows):
            write(values)
    return len(rows)
