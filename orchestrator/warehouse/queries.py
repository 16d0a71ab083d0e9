"""What one asks the warehouse."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Text, cast, func, select, type_coerce

from orchestrator.stores import reachable
from orchestrator.warehouse.columns import SCALE
from orchestrator.warehouse.schema import STORE, event_logs, model_cost_logs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Engine

# How many ids one question names: below the number of parameters of every SQLite that is in use.
ASKED_AT_ONCE: Final = 900

table = model_cost_logs.c


@dataclass(frozen=True, slots=True)
class ModelCost:
    """What the calls of one model cost, in USD; `unpriced` of them have no price and are not in the sum."""

    provider: str
    model: str
    calls: int
    tokens_input: int
    tokens_output: int
    usd_cost: Decimal
    unpriced: int


@dataclass(frozen=True, slots=True)
class TasksCost:
    """What the calls of some tasks cost, in USD; `unpriced` of them have no price and are not in the sum."""

    calls: int
    usd_cost: Decimal
    unpriced: int


def rows(engine: Engine) -> int:
    """Count the events that the warehouse holds: the rows of `event_logs`."""
    with reachable(STORE.name), engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(event_logs)).scalar_one()


def held(engine: Engine, ids: Iterable[UUID]) -> set[UUID]:
    """Tell which of these events (their row keys) the warehouse holds, in rows of `event_logs`."""
    asked, found = [str(each) for each in ids], set[UUID]()
    with reachable(STORE.name), engine.connect() as connection:
        for first in range(0, len(asked), ASKED_AT_ONCE):
            query = select(event_logs.c.id).where(event_logs.c.id.in_(asked[first : first + ASKED_AT_ONCE]))
            found.update(UUID(str(each)) for each in connection.execute(query).scalars())
    return found


def spent_on_tasks(engine: Engine, task_ids: Sequence[str], since: datetime, until: datetime) -> TasksCost:
    """Add up what the calls cost that these tasks made in a stretch of time, and how many have no price."""
    calls, total, unpriced = 0, Decimal(0), 0
    amounts = select(func.count(), sum_usd(engine.dialect.name), func.count() - func.count(table.usd_cost))
    during = amounts.where(table.created_at >= since, table.created_at <= until)
    with reachable(STORE.name), engine.connect() as connection:
        for first in range(0, len(task_ids), ASKED_AT_ONCE):
            some = during.where(table.task_id.in_(task_ids[first : first + ASKED_AT_ONCE]))
            number, amount, without = connection.execute(some).one()
            calls, total, unpriced = calls + number, total + usd(amount), unpriced + without
    return TasksCost(calls, total, unpriced)


def cost_by_model(engine: Engine) -> list[ModelCost]:
    """Add the calls up for each provider and model, the dearest first; the sums are exact."""
    query = select(
        table.provider,
        table.model,
        func.count(),
        func.sum(table.tokens_input),
        func.sum(table.tokens_output),
        sum_usd(engine.dialect.name),
        func.count() - func.count(table.usd_cost),
    ).group_by(table.provider, table.model)
    with reachable(STORE.name), engine.connect() as connection:
        found = [
            ModelCost(provider, model, calls, int(tokens_in), int(tokens_out), usd(total), unpriced)
            for provider, model, calls, tokens_in, tokens_out, total, unpriced in connection.execute(query)
        ]
    return sorted(found, key=lambda cost: (-cost.usd_cost, cost.provider, cost.model))


def cost_of_tasks(engine: Engine, task_ids: Iterable[str], since: datetime) -> Decimal | None:
    """Add up what the model calls of these tasks cost since then, in USD; None where none of them has a price."""
    theirs = (table.created_at >= since, table.task_id.in_(list(task_ids)))
    query = select(func.count(table.usd_cost), sum_usd(engine.dialect.name)).where(*theirs)
    with reachable(STORE.name), engine.connect() as connection:
        priced, total = connection.execute(query).one()
    return usd(total) if priced else None


def sum_usd(dialect: str) -> ColumnElement[Any]:
    """Add amounts up exactly: SQLite's TEXT always has ten decimals, so without its point it is a whole number."""
    if dialect == "sqlite":
        return func.sum(cast(func.replace(type_coerce(table.usd_cost, Text), ".", ""), BigInteger))
    return func.sum(table.usd_cost)


def usd(total: Decimal | int | None) -> Decimal:
    """Read what `sum_usd` added up."""
    amount = Decimal(total) * SCALE if isinstance(total, int) else total
    return (amount or Decimal(0)).quantize(SCALE)
