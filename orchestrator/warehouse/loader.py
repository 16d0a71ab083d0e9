"""Rows into the warehouse, exactly once: what is there already stays as it is, and an attempt's rows are merged."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Final

from orchestrator.failpoints import hit
from orchestrator.stores import reachable, writing
from orchestrator.warehouse import copying, inserting
from orchestrator.warehouse.audit import AuditRow, blocked
from orchestrator.warehouse.loadtests import LoadtestRow
from orchestrator.warehouse.rollups import mark_stale
from orchestrator.warehouse.rows import CostRow, EventRow, GovernanceRow, Prompt, Row, SimilarityRow
from orchestrator.warehouse.runs import RunRow, merged
from orchestrator.warehouse.schema import (
    STORE,
    audit_logs,
    event_logs,
    governance_events,
    loadtest_runs,
    model_cost_logs,
    prompt_sim_logs,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Engine, Table

    from orchestrator.warehouse.similarity import Recent

# The logs, whose rows never change once they are there; those of attempts are merged instead.
TABLES: Final[dict[type[Row], Table]] = {
    CostRow: model_cost_logs,
    SimilarityRow: prompt_sim_logs,
    GovernanceRow: governance_events,
    EventRow: event_logs,
    AuditRow: audit_logs,
    LoadtestRow: loadtest_runs,
}
COLUMNS: Final = {kind: tuple(field.name for field in fields(kind)) for kind in (*TABLES, RunRow)}


def load(engine: Engine, rows: Sequence[Row | Prompt], recent: Recent | None = None) -> int:
    """Load the rows in one commit and say how many of the logs were new; prompts are scored among `recent` ones.

    Raises DependencyUnreachable or Unstorable, with none of them loaded.
    """
    if not rows:
        return 0
    with reachable(STORE.name), copying.reachable(STORE.name), writing(engine) as connection:
        made = _by_kind(_scored(connection, rows, recent))
        runs = merged(made.pop(RunRow, []))  # type: ignore[arg-type]  # that is what RunRow's list holds
        parts = [(table, COLUMNS[kind], made[kind]) for kind, table in TABLES.items() if made.get(kind)]
        database = copying if connection.dialect.name == "postgresql" else inserting
        new: int = database.insert(connection, parts)
        if runs:
            database.merge(connection, COLUMNS[RunRow], runs)
        mark_stale(connection, {row.created_at for row in made.get(CostRow, ())})  # type: ignore[union-attr]  # as above
        hit("warehouse_loading")
    hit("warehouse_loaded")
    return new


def _by_kind(rows: Iterable[Row]) -> dict[type[Row], list[Row]]:
    made: dict[type[Row], list[Row]] = defaultdict(list)
    for row in rows:
        made[type(row)].append(row)
    return made


def _scored(connection: Connection, rows: Sequence[Row | Prompt], recent: Recent | None) -> list[Row]:
    """Score the prompts, and tell their scores in the other rows of their events."""
    prompts = [row for row in rows if isinstance(row, Prompt)]
    ready: list[Row] = [row for row in rows if not isinstance(row, Prompt)]
    if not prompts or recent is None:
        return ready
    scored = {row.id: row for row in recent.score(connection, prompts)}
    told: list[Row] = [
        replace(row, similarity_score=scored[row.id].similarity_score)
        if isinstance(row, EventRow) and row.id in scored
        else row
        for row in ready
    ]
    return [*told, *scored.values(), *(blocked(row) for row in scored.values() if row.blocked)]
