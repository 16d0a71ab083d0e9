"""A load test is one row, with its gates and figures, once, on each database."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from eventbus.wire import LOADTEST_COMPLETED
from orchestrator.domain.events import Rejected
from orchestrator.warehouse.schema import event_logs, loadtest_runs
from tests.events import event, record, stored

if TYPE_CHECKING:
    from orchestrator.domain.events import EventRecord
    from tests.unit.orchestrator.warehouse.conftest import Warehouse

SAMPLE = Path(__file__).parents[2] / "eventbus" / "samples" / f"{LOADTEST_COMPLETED}.json"


def told(**changes: Any) -> EventRecord:
    """Make the event of a run, with the changes to its data."""
    data: dict[str, Any] = orjson.loads(SAMPLE.read_bytes())["data"]
    return record(event(LOADTEST_COMPLETED, data | changes))


def test_a_run_is_one_row(warehouse: Warehouse) -> None:
    """Told twice it is one row: what ran where, what was missed or not measured, and the figures that were measured."""
    run = told()
    for _ in range(2):
        warehouse.deliver(run)
    assert len(warehouse.rows(event_logs)) == 1
    (row,) = warehouse.rows(loadtest_runs)
    assert row["id"] == str(run.key)
    assert row.items() >= {"run_id": "20261129T023000Z-smoke-3fa9c1", "scenario": "smoke", "exit_code": 99}.items()
    assert (row["missed"], row["slower"]) == ("worker_overhead_p95_ms,first_retry_success", "worker_overhead_p95_ms")
    assert row["started_at"] == datetime(2026, 11, 29, 2, 30, tzinfo=UTC)
    assert row["worker_overhead_p95_ms"] == 5.4
    assert "first_retry_success" not in row
    assert orjson.loads(row["figures"])["first_retry_success"]["why_not"] == "nothing was retried"
    assert row["machine"] == "4 cores, 16 GB, x86_64, Linux, Python 3.11"


def test_a_run_that_met_its_gates_missed_none(warehouse: Warehouse) -> None:
    """The column of the gates that were not met is empty then."""
    warehouse.deliver(told(gates=[{"figure": "events_lost", "met": True}], slower=[], commit=None, dirty=None))
    (row,) = warehouse.rows(loadtest_runs)
    assert (row["missed"], row["slower"]) == ("", "")
    assert not {"commit_id", "dirty"} & row.keys()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"run_id": ""}, "run_id"),
        ({"exit_code": -1}, "exit_code"),
        ({"machine": "mine"}, "machine"),
        ({"machine": {}}, "kind"),
        ({"gates": {}}, "gates"),
        ({"gates": [1]}, "gates"),
        ({"gates": [{"met": False}]}, "gates"),
        ({"slower": "all"}, "slower"),
        ({"figures": None}, "figures"),
        ({"figures": {"events_lost": 1}}, "events_lost"),
        ({"figures": {"events_lost": {"value": "none"}}}, "value"),
        ({"started_at": "yesterday"}, "started_at"),
    ],
)
def test_what_no_row_can_hold_is_refused_with_its_field(
    warehouse: Warehouse, change: dict[str, Any], field: str
) -> None:
    """The event becomes a dead letter that names what is wrong; the good one beside it is loaded."""
    answer = warehouse.sink.deliver(stored(told(), told(**change)))
    assert isinstance(answer, Rejected)
    assert {seq: refusal.field for seq, refusal in answer.refusals.items()} == {2: field}
    assert len(warehouse.rows(loadtest_runs)) == 1
