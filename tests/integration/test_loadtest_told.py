"""A run that is told at `/v1/events` reaches the warehouse as one row, and RudderStack as one message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from loadtests.history.telling import event_of, send
from orchestrator.warehouse.schema import STORE, loadtest_runs
from tests.gateway import dataplane
from tests.loadtest_reports import figure, report
from tests.relaying import on_sqlite, relaying, until

if TYPE_CHECKING:
    from pathlib import Path

MISSED = {"outcome": "missed", "exit_code": 99, "gates": [{"figure": "overhead_p95_ms", "met": False, "limit": 150}]}
RUN = report(
    verdict=MISSED, figures=[figure("overhead_p95_ms", 151.5, low=140.0, high=160.0)], trend={"slower": ["api_p50_ms"]}
)
TOKEN = "secret"


def rows(url: str) -> list[dict[str, Any]]:
    """Read the table, which the orchestrator made."""
    engine = STORE.open(url)
    with engine.connect() as connection:
        found = [dict(row) for row in connection.execute(sa.select(loadtest_runs)).mappings()]
    engine.dispose()
    return found


def test_a_run_is_told_from_outside(tmp_path: Path) -> None:
    """Without the token it is refused and said so; with it, and twice, there is one row and one message."""
    stores = on_sqlite(tmp_path / "run")
    with (
        dataplane(tmp_path) as plane,
        relaying(tmp_path / "run", stores, plane.url, parts="api,relay", api_token=TOKEN),
    ):
        api = json.loads((tmp_path / "run" / "ready.json").read_text())["url"]
        assert "got 401" in str(send(RUN, api, "another").why)
        assert send(RUN, api, TOKEN).accepted
        assert send(RUN, api, TOKEN).accepted
        until("it is in the warehouse", lambda: bool(rows(stores["REDRIVE_WAREHOUSE_URL"])))
        until("it is at the data plane", lambda: bool(plane.store.newest(10)))
        (message,) = plane.store.newest(10)
    (row,) = rows(stores["REDRIVE_WAREHOUSE_URL"])
    assert (row["run_id"], row["outcome"], row["missed"]) == (RUN["run_id"], "missed", "overhead_p95_ms")
    assert (row["overhead_p95_ms"], row["slower"], row["first_retry_success"]) == (151.5, "api_p50_ms", None)
    assert row["id"] == event_of(RUN).id
    assert RUN["run_id"] in json.dumps(message)
    assert "Loadtest Completed" in json.dumps(message)
