"""Rows into the warehouse, exactly once: what is there already stays as it is."""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Boolean, Double, Uuid

from orchestrator.failpoints import hit
from orchestrator.stores import UtcDateTime, insert_into, reachable, writing
from orchestrator.warehouse.rows import CostRow, EventRow, GovernanceRow, Prompt, Row, SimilarityRow
from orchestrator.warehouse.schema import (
    STORE,
    Usd,
    event_logs,
    governance_events,
    model_cost_logs,
    prompt_sim_logs,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Engine, Table

    from orchestrator.warehouse.similarity import Recent

TABLES: Final[dict[type[Row], Table]] = {
    CostRow: model_cost_logs,
    SimilarityRow: prompt_sim_logs,
    GovernanceRow: governance_events,
    EventRow: event_logs,
}
# PostgreSQL's names of the types: a binary COPY converts nothing.
TYPES: Final = {
    Uuid: "uuid",
    BigInteger: "int8",
    Usd: "numeric",
    UtcDateTime: "timestamptz",
    Double: "float8",
    Boolean: "bool",
}


def load(engine: Engine, rows: Sequence[Row | Prompt], recent: Recent | None = None) -> int:
    """Load the rows in one commit and say how many were new; prompts are scored among `recent` ones.

    Raises DependencyUnreachable or Unstorable, with none of them loaded.
    """
    if not rows:
        return 0
    prompts = [row for row in rows if isinstance(row, Prompt)]
    ready: list[Row] = [row for row in rows if not isinstance(row, Prompt)]
    with reachable(STORE.name), writing(engine) as connection:
        if prompts and recent is not None:
            ready += recent.score(connection, prompts)
        store = _copy if connection.dialect.name == "postgresql" else _insert
        new = sum(_stored(connection, kind, ready, store) for kind in TABLES)
        hit("warehouse_loading")
    hit("warehouse_loaded")
    return new


def _stored(
    connection: Connection,
    kind: type[Row],
    rows: Sequence[Row],
    store: Callable[[Connection, Table, tuple[str, ...], list[Row]], int],
) -> int:
    wanted = [row for row in rows if type(row) is kind]
    columns = tuple(field.name for field in fields(kind))
    return store(connection, TABLES[kind], columns, wanted) if wanted else 0


def _insert(connection: Connection, table: Table, columns: tuple[str, ...], rows: list[Row]) -> int:
    insert, values = insert_into(table, connection.dialect).on_conflict_do_nothing(), attrgetter(*columns)
    written = [dict(zip(columns, values(row), strict=True)) | {"id": str(row.id)} for row in rows]
    return connection.execute(insert, written).rowcount


def _copy(connection: Connection, table: Table, columns: tuple[str, ...], rows: list[Row]) -> int:
    """COPY into a table of this connection's own, then one INSERT: COPY itself knows no conflicts."""
    names, staged, values = ", ".join(columns), f"staged_{table.name}", attrgetter(*columns)
    connection.exec_driver_sql(f"CREATE TEMP TABLE IF NOT EXISTS {staged} (LIKE {table.name}) ON COMMIT DELETE ROWS")
    driver: Any = connection.connection.cursor()
    with driver as cursor, cursor.copy(f"COPY pg_temp.{staged} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types([TYPES.get(type(table.c[name].type), "text") for name in columns])
        for row in rows:
            copy.write_row(values(row))
    merge = f"INSERT INTO {table.name} ({names}) SELECT {names} FROM pg_temp.{staged} ON CONFLICT DO NOTHING"  # noqa: S608 - names of our own schema
    return connection.exec_driver_sql(merge).rowcount
