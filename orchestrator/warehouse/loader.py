"""Rows into the warehouse, exactly once: what is there already stays as it is."""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from orchestrator.stores import insert_into, reachable, writing
from orchestrator.warehouse.rows import CostRow
from orchestrator.warehouse.schema import STORE, model_cost_logs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Engine

COLUMNS: Final = tuple(field.name for field in fields(CostRow))
NAMES: Final = ", ".join(COLUMNS)
VALUES: Final = attrgetter(*COLUMNS)
# On PostgreSQL a COPY into a table of this connection's own, then one INSERT: COPY itself knows no conflicts.
STAGING: Final = "CREATE TEMP TABLE IF NOT EXISTS staged (LIKE model_cost_logs) ON COMMIT DELETE ROWS"
COPY: Final = f"COPY pg_temp.staged ({NAMES}) FROM STDIN (FORMAT BINARY)"
MERGE: Final = f"INSERT INTO model_cost_logs ({NAMES}) SELECT {NAMES} FROM pg_temp.staged ON CONFLICT DO NOTHING"  # noqa: S608 - names of columns


def load(engine: Engine, rows: Sequence[CostRow]) -> int:
    """Load the rows in one commit and say how many were new; raises DependencyUnreachable, with none of them loaded."""
    if not rows:
        return 0
    with reachable(STORE.name), writing(engine) as connection:
        return _copy(connection, rows) if connection.dialect.name == "postgresql" else _insert(connection, rows)


def _insert(connection: Connection, rows: Sequence[CostRow]) -> int:
    insert = insert_into(model_cost_logs, connection.dialect).on_conflict_do_nothing()
    columns = [dict(zip(COLUMNS, VALUES(row), strict=True)) | {"id": str(row.id)} for row in rows]
    return connection.execute(insert, columns).rowcount


def _copy(connection: Connection, rows: Sequence[CostRow]) -> int:
    connection.exec_driver_sql(STAGING)
    driver: Any = connection.connection.cursor()
    with driver as cursor, cursor.copy(COPY) as copy:
        copy.set_types(list(_types()))
        for row in rows:
            copy.write_row(VALUES(row))
    return connection.exec_driver_sql(MERGE).rowcount


def _types() -> Iterator[str]:
    """Name PostgreSQL's type of each column, in order: a binary COPY converts nothing."""
    known = {"id": "uuid", "tokens_input": "int8", "tokens_output": "int8", "usd_cost": "numeric"}
    known["created_at"] = "timestamptz"
    for column in COLUMNS:
        yield known.get(column, "text")
