"""Rows into SQLite by the driver's own multi-row call: SQLAlchemy's work on each value costs more than the rest."""

from __future__ import annotations

from datetime import UTC
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Uuid

from orchestrator.stores import UtcDateTime
from orchestrator.warehouse.columns import SCALE, Usd
from orchestrator.warehouse.runs import MERGED
from orchestrator.warehouse.schema import code_exec_logs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from decimal import Decimal

    from sqlalchemy import Connection, Table


def insert(connection: Connection, parts: Sequence[tuple[Table, tuple[str, ...], Sequence[Any]]]) -> int:
    """Insert what is not there yet, each part into its table; say how many rows that were."""
    return sum(
        connection.exec_driver_sql(
            f"{_into(table, columns)} ON CONFLICT DO NOTHING", _written(table, columns, rows)
        ).rowcount
        for table, columns, rows in parts
    )


def merge(connection: Connection, columns: tuple[str, ...], rows: Sequence[Any]) -> None:
    """Merge rows of `code_exec_logs` with what is there, as `runs` says."""
    table = code_exec_logs
    sets = ["created_at = min(created_at, excluded.created_at)"]
    # SQLite's max() is NULL as soon as one of its values is.
    sets += [f"{name} = max(coalesce({name}, excluded.{name}), coalesce(excluded.{name}, {name}))" for name in MERGED]
    statement = f"{_into(table, columns)} ON CONFLICT (id) DO UPDATE SET {', '.join(sets)}"
    connection.exec_driver_sql(statement, _written(table, columns, rows))


def _into(table: Table, columns: tuple[str, ...]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - names of our own schema


def _written(table: Table, columns: tuple[str, ...], rows: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Convert what the driver would not write, or not as SQLAlchemy reads it; most columns need nothing."""
    writers, written = _writers(table, columns), []
    for values in map(attrgetter(*columns), rows):
        row = list(values)
        for at, write in writers:
            if row[at] is not None:
                row[at] = write(row[at])
        written.append(tuple(row))
    return written


@cache
def _writers(table: Table, columns: tuple[str, ...]) -> list[tuple[int, Callable[[Any], Any]]]:
    types = enumerate(type(table.c[name].type) for name in columns)
    return [(at, _WRITERS[each]) for at, each in types if each in _WRITERS]


def _moment(value: datetime) -> str:
    # In UTC, as SQLAlchemy writes it: without its offset, which stands behind the six digits of microseconds.
    moment = value if value.tzinfo is UTC else value.astimezone(UTC)
    return moment.isoformat(" ", "microseconds")[:26]


def _amount(value: Decimal) -> str:
    return f"{value.quantize(SCALE):f}"


_WRITERS: Final[dict[type, Callable[[Any], Any]]] = {Uuid: str, UtcDateTime: _moment, Usd: _amount}
