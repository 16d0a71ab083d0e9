"""Prices that were learnt late, applied to the calls that are in the warehouse already.

A call gets a price that it has not, or another one; none is ever taken away. Its row, the row of its event, the mark of
its hour and a row of `audit_logs`, which tells the amount and the price list of before, are one commit.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import bindparam, select, tuple_, update

from eventbus.wire import TOKEN_CLASSES
from orchestrator.domain.events import PricingStatus
from orchestrator.stores import reachable, writing
from orchestrator.warehouse import copying, inserting
from orchestrator.warehouse.audit import PRICE_CHANGED, AuditRow
from orchestrator.warehouse.columns import ABOUT
from orchestrator.warehouse.rollups import mark_stale
from orchestrator.warehouse.schema import STORE, audit_logs, event_logs, model_cost_logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection, Engine, Select

    from orchestrator.domain.events import Price
    from orchestrator.domain.ports import Pricing
    from orchestrator.warehouse.logs import Filter

# How many calls one commit prices.
AT_ONCE: Final = 1_000
COSTS: Final = model_cost_logs.c
_AUDIT: Final = tuple(field.name for field in fields(AuditRow))


@dataclass(frozen=True, slots=True)
class Change:
    """A call whose price is another one now: its row as it was, and the price."""

    row: Mapping[str, Any]
    price: Price

    @property
    def difference(self) -> Decimal:
        """Give by how much the sum of all costs grows, in USD."""
        return (self.price.usd or Decimal(0)) - (self.row["usd_cost"] or Decimal(0))


@dataclass(frozen=True, slots=True)
class Repriced:
    """What was found among some calls: how many were looked at, those that change, those without a price still."""

    looked_at: int
    changes: list[Change]
    unpriced: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Repricing:
    """Prices calls anew. `new_id` names the rows of `audit_logs`, `actor` is who asked for it."""

    engine: Engine
    pricing: Pricing
    clock: Callable[[], datetime]
    new_id: Callable[[], UUID]
    actor: str

    def run(self, wanted: Filter, *, apply: bool) -> Iterator[Repriced]:
        """Look at calls, oldest first, a thousand at once, and apply their prices where that is asked for.

        Broken off and begun again it goes on where it was. Raises DependencyUnreachable.
        """
        after: tuple[datetime, str] | None = None
        while True:
            opened = writing(self.engine) if apply else self.engine.connect()
            with reachable(STORE.name), copying.reachable(STORE.name), opened as connection:
                rows = [dict(row) for row in connection.execute(_page(wanted, after, locked=apply)).mappings()]
                found = self._found(rows)
                if apply and found.changes:
                    self._apply(connection, found.changes)
            if not rows:
                return
            yield found
            after = (rows[-1]["created_at"], rows[-1]["id"])

    def _found(self, rows: list[dict[str, Any]]) -> Repriced:
        changes, unpriced = [], []
        for row in rows:
            price = self.pricing.price(_data(row), row["created_at"])
            if price.status is PricingStatus.PRICED and price.usd != row["usd_cost"]:
                changes.append(Change(row, price))
            elif price.usd is None and row["usd_cost"] is None:
                unpriced.append(row)
        return Repriced(len(rows), changes, unpriced)

    def _apply(self, connection: Connection, changes: list[Change]) -> None:
        keys = [{"key": str(each.row["id"]), "usd": each.price.usd, "version": each.price.version} for each in changes]
        priced = update(model_cost_logs).where(COSTS.id == bindparam("key"))
        amount = priced.values(usd_cost=bindparam("usd"), pricing_version=bindparam("version"))
        connection.execute(amount.values(pricing_status=PricingStatus.PRICED.value), keys)
        told = update(event_logs).where(event_logs.c.id == bindparam("key")).values(usd_cost=bindparam("usd"))
        connection.execute(told, [{"key": each["key"], "usd": each["usd"]} for each in keys])
        mark_stale(connection, {each.row["created_at"] for each in changes})
        database = copying if connection.dialect.name == "postgresql" else inserting
        database.insert(connection, [(audit_logs, _AUDIT, [self._audit(each) for each in changes])])

    def _audit(self, change: Change) -> AuditRow:
        row, price = change.row, change.price
        before = {name: row[name] for name in ("usd_cost", "pricing_status", "pricing_version")}
        after = {"usd_cost": price.usd, "pricing_status": price.status, "pricing_version": price.version}
        told = {"id": row["id"], "provider": row["provider"], "model": row["model"], "before": before, "after": after}
        return AuditRow(
            id=self.new_id(),
            what=PRICE_CHANGED,
            created_at=self.clock(),
            details=orjson.dumps(told, default=_digits).decode(),
            actor=self.actor,
            usd_cost=change.difference,
            **{name: row[name] for name in ABOUT},
        )


def _page(wanted: Filter, after: tuple[datetime, str] | None, *, locked: bool) -> Select[Any]:
    query = select(model_cost_logs, event_logs.c.data.label("told"))
    query = query.outerjoin(event_logs, event_logs.c.id == COSTS.id).where(*wanted.on(model_cost_logs))
    if after is not None:
        query = query.where(
            tuple_(COSTS.created_at, COSTS.id) > tuple_(*after, types=[COSTS.created_at.type, COSTS.id.type])
        )
    query = query.order_by(COSTS.created_at, COSTS.id).limit(AT_ONCE)
    return query.with_for_update(of=model_cost_logs) if locked else query


def _data(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the call's event as it was, and what the columns have of it where that row is gone."""
    known = {
        "gen_ai.provider.name": row["provider"],
        "gen_ai.request.model": row["model"],
        "gen_ai.usage.input_tokens": row["tokens_input"],
        "gen_ai.usage.output_tokens": row["tokens_output"],
        **{told: row[name] for name, told in TOKEN_CLASSES.items()},
    }
    return known if row["told"] is None else known | orjson.loads(row["told"])


def _digits(value: object) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
