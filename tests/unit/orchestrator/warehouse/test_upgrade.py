"""A warehouse that was filled at revision 0002 is upgraded with its rows, and goes on."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import command

from eventbus.wire import GOVERNANCE_RECORDED
from orchestrator.domain.events import Delivered
from orchestrator.stores import writing
from orchestrator.warehouse.schema import STORE, check, event_logs, migrate, model_cost_logs, stale_hours
from tests.events import event, record, stored
from tests.unit.orchestrator.warehouse.conftest import Warehouse

if TYPE_CHECKING:
    from uuid import UUID

    from orchestrator.domain.events import EventRecord

OLD = datetime(2025, 3, 30, 1, 59, 59, 999999, tzinfo=UTC)


def to_revision(url: str, revision: str) -> None:
    """Bring an empty warehouse to a revision of the past."""
    with STORE._migrating(url) as config:
        command.upgrade(config, revision)


def fill(url: str, call: EventRecord, decided: EventRecord) -> None:
    """Write rows as the loader of that revision did: one call, one decision, one prompt."""
    engine, at = STORE.open(url), OLD if url.startswith("postgresql") else "2025-03-30 01:59:59.999999"
    event_row = "INSERT INTO event_logs (id, type, source, time, data) VALUES (:id, :type, 's', :at, '{}')"
    with writing(engine) as connection:
        for made in (call, decided):
            row = {"id": str(made.key), "type": made.type, "at": at}
            connection.execute(sa.text(event_row), row)
        usd = Decimal("0.0000000001") if engine.name == "postgresql" else "0.0000000001"
        old = {"id": str(call.key), "at": at, "usd": usd}
        connection.execute(
            sa.text(
                "INSERT INTO model_cost_logs (id, model, provider, tokens_input, tokens_output, usd_cost, created_at, "
                "pricing_status, event_source, agent_id, duration_seconds) "
                "VALUES (:id, 'm', 'p', 3, 4, :usd, :at, 'priced', 's', 'ann', 1.5)"
            ),
            old,
        )
        prompt = "INSERT INTO prompt_sim_logs (id, prompt_hash, blocked, created_at) VALUES (:id, 'aa', :no, :at)"
        connection.execute(sa.text(prompt), {"id": str(decided.key), "at": at, "no": False})
        connection.execute(
            sa.text(
                "INSERT INTO governance_events (id, event_type, policy, action, details, created_at) "
                "VALUES (:id, 'e', 'p', 'a', '{}', :at)"
            ),
            {"id": str(decided.key), "at": at},
        )
    engine.dispose()


def test_a_filled_warehouse_is_upgraded_with_its_rows(empty_url: str) -> None:
    """Each row keeps its values, an event that comes again adds none, new ones load, hours wait to be counted."""
    call = record(event())
    decided = record(event(GOVERNANCE_RECORDED, {"event_type": "e", "policy": "p", "action": "a", "details": {}}))
    to_revision(empty_url, "0002")
    fill(empty_url, call, decided)
    migrate(empty_url)
    check(empty_url)
    warehouse = Warehouse(empty_url)
    assert warehouse.sink.deliver(stored(call, decided, record(event()))) == Delivered()
    assert len(warehouse.rows(event_logs)) == 3
    assert by_id(warehouse, call.key) == {
        "id": str(call.key), "model": "m", "provider": "p", "tokens_input": 3, "tokens_output": 4, "created_at": OLD,
        "usd_cost": Decimal("0.0000000001"), "pricing_status": "priced", "event_source": "s", "agent_id": "ann",
        "duration_seconds": 1.5,
    }  # fmt: skip
    hours = {row["hour"] for row in warehouse.rows(stale_hours)}
    assert OLD.replace(minute=0, second=0, microsecond=0) in hours
    assert warehouse.rows("agent_costs", "agent_id")[0]["agent_id"] == "ann"
    warehouse.close()


def test_an_upgrade_can_be_taken_back(empty_url: str) -> None:
    """Down to the old revision with a row in it, and up again."""
    migrate(empty_url)
    warehouse = Warehouse(empty_url)
    warehouse.deliver(record(event()))
    warehouse.close()
    with STORE._migrating(empty_url) as config:
        command.downgrade(config, "0002")
    migrate(empty_url)
    check(empty_url)
    warehouse = Warehouse(empty_url)
    assert len(warehouse.rows(model_cost_logs)) == 1
    warehouse.close()


def by_id(warehouse: Warehouse, key: UUID) -> dict[str, object]:
    """Find one call."""
    return next(row for row in warehouse.rows(model_cost_logs) if row["id"] == str(key))
