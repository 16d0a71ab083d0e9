"""What the calls of an incident's tasks cost, for its postmortem: exact, of those tasks and that time alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import select, text

from orchestrator.warehouse.queries import ASKED_AT_ONCE, TasksCost, cost_of_tasks, spent_on_tasks
from orchestrator.warehouse.schema import model_cost_logs
from tests.recovery import NOON

if TYPE_CHECKING:
    from tests.unit.orchestrator.warehouse.conftest import Warehouse

LATER = NOON + timedelta(hours=1)


def call(task: str | None, usd: str | None, at: datetime = NOON) -> dict[str, Any]:
    """Make the row of one call."""
    return {
        "id": str(uuid4()), "model": "m", "provider": "p", "tokens_input": 1, "tokens_output": 1, "created_at": at,
        "usd_cost": Decimal(usd) if usd else None, "pricing_status": "priced", "event_source": "s", "task_id": task,
    }  # fmt: skip


def test_the_calls_of_tasks_are_added_up_exactly(warehouse: Warehouse) -> None:
    """Calls without a price are counted; other tasks, another time and calls of no task are not."""
    rows = [
        call("a", "0.1000000001"),
        call("a", "0.2", LATER),
        call("b", None),
        call("z", "5"),
        call(None, "6"),
        call("a", "7", NOON - timedelta(seconds=1)),
        call("b", "8", LATER + timedelta(seconds=1)),
    ]
    with warehouse.engine.begin() as connection:
        connection.execute(model_cost_logs.insert(), rows)
    # More ids than one statement names.
    others = [f"none-{number}" for number in range(ASKED_AT_ONCE)]
    assert spent_on_tasks(warehouse.engine, ["a", *others, "b"], NOON, LATER) == TasksCost(
        3, Decimal("0.3000000001"), 1
    )
    assert spent_on_tasks(warehouse.engine, [], NOON, LATER) == TasksCost(0, Decimal(0), 0)


def test_what_an_alert_tells_of_money_is_exact(warehouse: Warehouse) -> None:
    """Of these tasks, since then, whatever comes later; None where nothing of theirs has a price."""
    rows = [
        call("a", "0.1000000001"),
        call("b", "0.2", LATER),
        call("b", None),
        call("unpriced", None),
        call("z", "5"),
        call(None, "6"),
        call("a", "7", NOON - timedelta(seconds=1)),
    ]
    with warehouse.engine.begin() as connection:
        connection.execute(model_cost_logs.insert(), rows)
    asked = {each: cost_of_tasks(warehouse.engine, each, NOON) for each in (("a", "b"), ("unpriced",), ("none",), ())}
    assert asked == {("a", "b"): Decimal("0.3000000001"), ("unpriced",): None, ("none",): None, (): None}


def test_the_calls_of_a_task_are_found_by_an_index(warehouse: Warehouse) -> None:
    """Nobody reads all calls for the money of one incident."""
    asked = select(model_cost_logs.c.usd_cost).where(model_cost_logs.c.task_id.in_(["a", "b"]))
    words = asked.compile(warehouse.engine, compile_kwargs={"literal_binds": True})
    with warehouse.engine.connect() as connection:
        if warehouse.engine.name == "postgresql":
            connection.execute(text("SET enable_seqscan = off"))
        explain = "EXPLAIN" if warehouse.engine.name == "postgresql" else "EXPLAIN QUERY PLAN"
        plan = str(connection.execute(text(f"{explain} {words}")).all())
    assert "ix_model_cost_logs_task_id" in plan
