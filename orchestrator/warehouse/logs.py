"""Pages of the warehouse's logs, newest first, and sums of the costs in groups."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, literal_column, or_, select, tuple_

from orchestrator.stores import reachable
from orchestrator.warehouse.queries import sum_usd, usd
from orchestrator.warehouse.schema import STORE, model_cost_logs, prompt_sim_logs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

    from sqlalchemy import ColumnElement, Engine, Select, Table

COSTS: Final = model_cost_logs
PROMPTS: Final = prompt_sim_logs
# What a group is named by; hour and day are made of `created_at`, in UTC.
GROUPS: Final[Mapping[str, ColumnElement[Any]]] = {
    "model": COSTS.c.model,
    "provider": COSTS.c.provider,
    "agent": COSTS.c.agent_id,
    "workflow": COSTS.c.workflow_execution_id,
    "node": COSTS.c.node_id,
    "organization": COSTS.c.organization_id,
}
# The same hour, or day, in each database's words; written out, since a GROUP BY has to repeat it to the letter.
_PERIODS: Final = {
    ("hour", "sqlite"): "strftime('%Y-%m-%dT%H:00:00Z', created_at)",
    ("day", "sqlite"): "strftime('%Y-%m-%dT00:00:00Z', created_at)",
    ("hour", "postgresql"): "to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24\":00:00Z\"')",
    ("day", "postgresql"): "to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T00:00:00Z\"')",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows: columns that equal a value, a time from `since` up to `until`, a score of at least `min_score`."""

    equal: Mapping[str, str | bool] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    min_score: float | None = None

    def on(self, table: Table) -> list[ColumnElement[bool]]:
        """Give the conditions."""
        wanted: list[ColumnElement[bool]] = [table.c[name] == value for name, value in self.equal.items()]
        if self.since is not None:
            wanted.append(table.c.created_at >= self.since)
        if self.until is not None:
            wanted.append(table.c.created_at < self.until)
        if self.min_score is not None:
            wanted.append(table.c.similarity_score >= self.min_score)
        return wanted


@dataclass(frozen=True, slots=True)
class CostGroup:
    """What the calls of one group cost, in USD; `unpriced` of them have no price and are not in the sum."""

    key: str | None
    calls: int
    tokens_input: int
    tokens_output: int
    usd_cost: Decimal
    unpriced: int


def position(engine: Engine, table: Table, row: UUID) -> datetime | None:
    """Give the time of a row that a page may begin behind; None when there is no such row."""
    with reachable(STORE.name), engine.connect() as connection:
        moment: datetime | None = connection.execute(select(table.c.created_at).where(table.c.id == str(row))).scalar()
        return moment


def page(
    engine: Engine, table: Table, wanted: Filter, limit: int, after: tuple[datetime, UUID] | None
) -> list[dict[str, Any]]:
    """List rows, newest first, behind a row's time and id."""
    query = select(table).where(*wanted.on(table))
    if after is not None:
        moment, row = after
        earlier = tuple_(table.c.created_at, table.c.id) < tuple_(
            moment, str(row), types=[table.c.created_at.type, table.c.id.type]
        )
        query = query.where(earlier)
    query = query.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit)
    with reachable(STORE.name), engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def cost_groups(engine: Engine, group_by: str, wanted: Filter, limit: int, after: str | None) -> list[CostGroup]:
    """Add costs up in groups, in the order of their names, behind a name; what belongs to none comes last."""
    dialect = engine.dialect.name
    key = GROUPS[group_by] if group_by in GROUPS else literal_column(_PERIODS[group_by, dialect])
    query = _sums(key, dialect).where(*wanted.on(COSTS))
    if after is not None:
        query = query.where(or_(key > after, key.is_(None)))
    query = query.group_by(key).order_by(key.is_(None), key).limit(limit)
    with reachable(STORE.name), engine.connect() as connection:
        return [
            CostGroup(name, calls, int(tokens_in), int(tokens_out), usd(total), unpriced)
            for name, calls, tokens_in, tokens_out, total, unpriced in connection.execute(query)
        ]


def _sums(key: ColumnElement[Any], dialect: str) -> Select[Any]:
    return select(
        key,
        func.count(),
        func.sum(COSTS.c.tokens_input),
        func.sum(COSTS.c.tokens_output),
        sum_usd(dialect),
        func.count() - func.count(COSTS.c.usd_cost),
    ).select_from(COSTS)
