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
    """Convert column by column: most need nothing."""
    by_column = zip(*map(attrgetter(*columns), rows), strict=True)
    converted = (
        values if write is None else [None if value is None else write(value) for value in values]
        for write, values in zip(_writers(table, columns), by_column, strict=True)
    )
    return list(zip(*converted, strict=True))


@cache
def _writers(table: Table, columns: tuple[str, ...]) -> list[Callable[[Any], Any] | None]:
    return [_WRITERS.get(type(table.c[name].type)) for name in columns]


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _amount(value: Decimal) -> str:
    return f"{value.quantize(SCALE):f}"


_WRITERS: Final[dict[type, Callable[[Any], Any]]] = {Uuid: str, UtcDateTime: _moment, Usd: _amount}
