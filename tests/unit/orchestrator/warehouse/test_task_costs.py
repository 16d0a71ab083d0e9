"""What the calls of an incident's tasks cost, for its postmortem: exact, of those tasks and that time alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from orchestrator.warehouse.queries import ASKED_AT_ONCE, TasksCost, spent_on_tasks
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
