"""Hours of costs: the same as a count of the rows, whenever the rows came and whatever was changed in them since."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from eventbus.wire import LLM_CALL
from orchestrator.domain.events import Price, PricingStatus
from orchestrator.stores import WRITES
from orchestrator.warehouse import rollups
from orchestrator.warehouse.rollups import hour_of, mark_stale, refresh
from orchestrator.warehouse.schema import cost_hours, model_cost_logs, stale_hours
from tests.events import CALL, event, record

if TYPE_CHECKING:
    from orchestrator.domain.events import EventRecord
    from tests.unit.orchestrator.warehouse.conftest import Warehouse

# The last hours of a month, and of a day that summer time makes short in Europe.
BEGINNING = datetime(2025, 3, 29, 20, tzinfo=UTC)
MINUTES = 60 * 8
KEYS = ("organization_id", "agent_id", "provider", "model")


def call(dice: random.Random) -> EventRecord:
    """Make a call at any moment of these hours: on the hour, a microsecond before it; priced, or not, or paid back."""
    at = BEGINNING + timedelta(minutes=dice.randrange(MINUTES), microseconds=dice.choice([0, 1, -1]))
    usd = dice.choice([None, "0.1000000000", "-0.0000000003", "12345678.9012345678", "0.0000000000"])
    data = CALL | {"organization_id": dice.choice([None, "", "acme"]), "agent_id": dice.choice([None, "a", "b"])}
    data["gen_ai.request.model"] = dice.choice(["m1", "m2", "m3"])
    status = PricingStatus.MISSING if usd is None else PricingStatus.PRICED
    price = Price(status, None if usd is None else Decimal(usd), "v")
    return replace(record(event(LLM_CALL, data), price=price), time=at)


def counted(warehouse: Warehouse) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Count the rows by hand, with exact arithmetic."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in warehouse.rows(model_cost_logs):
        groups[hour_of(row["created_at"]), *(row.get(name) for name in KEYS)].append(row)
    return {key: summed(rows) for key, rows in groups.items()}


def summed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Add up what an hour's row says."""
    costs = [row["usd_cost"] for row in rows if "usd_cost" in row]
    sums = {name: sum(row[name] for row in rows) for name in ("tokens_input", "tokens_output")}
    return sums | {"calls": len(rows), "unpriced": len(rows) - len(costs), "usd_cost": sum(costs) if costs else None}


def rolled_up(warehouse: Warehouse) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Read the hours, each of which has one row for each of its groups."""
    found = warehouse.rows(cost_hours)
    keys = [(row["hour"], *(row.get(name) for name in KEYS)) for row in found]
    assert [key for key, times in Counter(keys).items() if times > 1] == []
    names = ("calls", "tokens_input", "tokens_output", "usd_cost", "unpriced")
    return {key: {name: row.get(name) for name in names} for key, row in zip(keys, found, strict=True)}


def settle(warehouse: Warehouse) -> None:
    """Count until nothing is left to be counted."""
    while refresh(warehouse.engine):
        pass
    assert warehouse.rows(stale_hours) == []


@pytest.mark.parametrize("seed", range(3))
def test_the_hours_are_what_the_rows_add_up_to(
    warehouse: Warehouse, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events that come late, again, in any order, with counts in between: the hours equal a count of all rows."""
    monkeypatch.setattr(rollups, "AT_ONCE", 3)
    dice, past = random.Random(seed), []
    for _ in range(12):
        batch = [call(dice) for _ in range(dice.randrange(1, 30))]
        past += batch
        warehouse.deliver(*batch, *dice.sample(past, min(3, len(past))))
        if dice.random() < 0.5:
            refresh(warehouse.engine)
    settle(warehouse)
    assert rolled_up(warehouse) == counted(warehouse)


def test_what_is_committed_while_an_hour_is_counted_is_counted_next(postgres_warehouse: Warehouse) -> None:
    """A commit that was under way neither waits for the count, nor is forgotten by it."""
    warehouse, dice = postgres_warehouse, random.Random(7)
    warehouse.deliver(*(replace(call(dice), time=BEGINNING) for _ in range(5)))
    late = warehouse.engine.execution_options(**{WRITES: True}).connect()
    late.execute(sa.update(model_cost_logs).values(usd_cost=Decimal(1)))
    mark_stale(late, [BEGINNING])
    assert refresh(warehouse.engine) == 1
    assert refresh(warehouse.engine) == 0
    late.commit()
    late.close()
    assert rolled_up(warehouse) != counted(warehouse)
    settle(warehouse)
    assert rolled_up(warehouse) == counted(warehouse)


def test_an_hour_whose_rows_are_gone_is_gone(warehouse: Warehouse) -> None:
    """Rows that were deleted are no longer counted, once their hour is marked."""
    warehouse.deliver(call(random.Random(1)))
    settle(warehouse)
    moments = [row["hour"] for row in warehouse.rows(cost_hours)]
    assert len(moments) == 1
    warehouse.execute("DELETE FROM model_cost_logs")
    with warehouse.engine.begin() as connection:
        mark_stale(connection, moments)
    settle(warehouse)
    assert warehouse.rows(cost_hours) == []


def test_the_views_are_exact_and_say_what_they_do_not_know(warehouse: Warehouse) -> None:
    """Sums with all their decimals; NULL, not 0, where no call of a group has a price."""
    dice = random.Random(5)
    warehouse.deliver(*(call(dice) for _ in range(150)))
    by_agent: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in warehouse.rows(model_cost_logs):
        by_agent[row.get("organization_id"), row.get("agent_id")].append(row)
    for view in ("agent_costs", "agent_telemetry"):
        found = {(row.get("organization_id"), row.get("agent_id")): row for row in warehouse.rows(view)}
        assert found.keys() == by_agent.keys()
        for key, rows in by_agent.items():
            wanted = summed(rows)
            assert {name: exact(found[key].get(name)) for name in wanted} == wanted
    days = {row["day"] for row in warehouse.rows("daily_costs")}
    assert days == {"2025-03-29", "2025-03-30"}


def test_no_price_at_all_is_no_cost_of_nothing(warehouse: Warehouse) -> None:
    """A group without one price has no cost in views and hours."""
    warehouse.deliver(record(event(), price=Price(PricingStatus.MISSING, None, "v")))
    settle(warehouse)
    for place in (cost_hours, "agent_costs", "workflow_costs", "daily_costs", "agent_telemetry"):
        (row,) = warehouse.rows(place)
        assert "usd_cost" not in row
        assert row["unpriced"] == 1


def exact(value: object) -> object:
    """Read an amount that SQLite's views give as text."""
    return Decimal(value) if isinstance(value, str) else value
