"""The warehouse on each database: its tables, its loader, its sums."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.domain.events import Price, PricingStatus
from orchestrator.stores import SchemaDiffers
from orchestrator.warehouse.loader import load
from orchestrator.warehouse.queries import ModelCost, cost_by_model
from orchestrator.warehouse.rows import CostRow, cost_row
from orchestrator.warehouse.schema import STORE, check, migrate, model_cost_logs
from orchestrator.warehouse.values import Unloadable
from tests.events import CALL, NOON, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/warehouse.sqlite"
    address: str = request.getfixturevalue("postgres")
    return address


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    """Give a migrated warehouse."""
    migrate(url)
    made = STORE.open(url)
    yield made
    made.dispose()


def row(usd: str | None = "0.0007500000", **data: Any) -> CostRow:
    """Make a row of a model call."""
    status = PricingStatus.MISSING if usd is None else PricingStatus.PRICED
    price = Price(status, None if usd is None else Decimal(usd), "v1")
    return cost_row(record(price=price), CALL | data)


def test_migrations_make_what_the_code_declares(url: str) -> None:
    """A migrated database passes the check, and an empty one does not."""
    with pytest.raises(SchemaDiffers, match="warehouse"):
        check(url)
    migrate(url)
    migrate(url)
    check(url)


def test_the_tables_of_others_are_left_alone(url: str, engine: sa.Engine) -> None:
    """A table in the same database that is not ours is no drift."""
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE theirs (id INTEGER PRIMARY KEY)"))
    check(url)


def test_a_row_holds_what_the_event_said(engine: sa.Engine) -> None:
    """Each column has its value, the cost with all ten decimals and the time at its instant."""
    given = row("0.0000000001")
    assert load(engine, [given]) == 1
    with engine.connect() as connection:
        found = connection.execute(sa.select(model_cost_logs)).mappings().one()
    told = {name: value for name, value in found.items() if value is not None}
    assert told == {
        "id": str(given.id),
        "agent_id": "planner",
        "workflow_execution_id": "w-1",
        "node_id": "n-1",
        "model": "gpt-4o",
        "provider": "openai",
        "tokens_input": 100,
        "tokens_output": 50,
        "usd_cost": Decimal("0.0000000001"),
        "created_at": NOON,
        "pricing_status": "priced",
        "pricing_version": "v1",
        "event_source": "urn:redrive:test",
        "organization_id": "acme",
        "request_id": "r-1",
        "task_id": "t-1",
        "response_id": "chatcmpl-1",
        "duration_seconds": 1.5,
    }


def test_an_event_loaded_twice_is_one_row(engine: sa.Engine) -> None:
    """A batch that comes again, whole, in part or with itself, adds nothing and changes nothing."""
    one, two, three = row(), row(), row()
    assert load(engine, [one, two, one]) == 2
    assert load(engine, [replace(two, model="another"), three]) == 1
    assert sum(cost.calls for cost in cost_by_model(engine)) == 3
    assert [cost.model for cost in cost_by_model(engine)] == ["gpt-4o"]
    assert load(engine, []) == 0


def test_money_adds_up_to_the_last_decimal(engine: sa.Engine) -> None:
    """A sum that binary floats get wrong is exact, and calls without a price are counted, not taken for free."""
    load(engine, [row("99999999.9999999999"), row("0.1"), row("0.2"), row("-0.0000000001"), row(None)])
    load(engine, [row("7", **{"gen_ai.response.model": "m2"})])
    assert cost_by_model(engine) == [
        ModelCost("openai", "gpt-4o", 5, 500, 250, Decimal("100000000.2999999998"), 1),
        ModelCost("openai", "m2", 1, 100, 50, Decimal(7), 0),
    ]


def test_a_model_without_any_price_sums_to_nothing(engine: sa.Engine) -> None:
    """All calls of a model unpriced: the sum is 0 and says how many it leaves out."""
    load(engine, [row(None)])
    assert cost_by_model(engine) == [ModelCost("openai", "gpt-4o", 1, 100, 50, Decimal(0), 1)]


def test_a_warehouse_without_tables_loads_nothing_and_says_so(url: str) -> None:
    """The database's error comes back as one of ours."""
    engine = STORE.open(url)
    with pytest.raises(DependencyUnreachable, match="warehouse"):
        load(engine, [row()])
    engine.dispose()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"gen_ai.provider.name": ""}, "gen_ai.provider.name"),
        ({"gen_ai.request.model": None}, "gen_ai.request.model"),
        ({"gen_ai.usage.input_tokens": 1.5}, "gen_ai.usage.input_tokens"),
        ({"gen_ai.usage.output_tokens": 10**12 + 1}, "gen_ai.usage.output_tokens"),
        ({"gen_ai.usage.cache_read.input_tokens": 10**12 + 1}, "gen_ai.usage.cache_read.input_tokens"),
        ({"gen_ai.usage.output_tokens": -1}, "gen_ai.usage.output_tokens"),
        ({"agent_id": "a\0b"}, "agent_id"),
        ({"user_id": 7}, "user_id"),
    ],
)
def test_what_no_row_can_hold_names_its_field(change: dict[str, Any], field: str) -> None:
    """An event that would stop a batch is told apart before it reaches the database."""
    with pytest.raises(Unloadable, match=field):
        row(**change)


def test_a_cost_beyond_the_column_is_refused() -> None:
    """NUMERIC(18, 10) ends below 100,000,000 USD."""
    with pytest.raises(Unloadable, match="USD"):
        row("100000000")
