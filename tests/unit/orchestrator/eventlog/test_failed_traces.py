"""The question of sampling is answered by an index, however long the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from orchestrator.eventlog.schema import STORE, migrate
from orchestrator.eventlog.sql import SqlEventLog
from tests.events import record

if TYPE_CHECKING:
    from pathlib import Path


def test_failed_traces_are_looked_up(tmp_path: Path) -> None:
    """SQLite finds the failed traces among those asked for by their own index, and reads no other event."""
    url = f"sqlite:///{tmp_path}/events.sqlite"
    migrate(url)
    log, engine = SqlEventLog(url), STORE.open(url)
    log.append([record(trace="a" * 32, failed=True), record(trace="b" * 32), record(trace="c" * 32, failed=True)])
    assert log.failed_traces({"a" * 32, "b" * 32}) == {"a" * 32}
    with engine.connect() as connection:
        asked = "EXPLAIN QUERY PLAN SELECT DISTINCT trace FROM events WHERE failed = 1 AND trace IN ('a', 'b')"
        plan = [row.detail for row in connection.execute(sa.text(asked))]
    assert any("ix_events_failed_trace" in step for step in plan), plan
    engine.dispose()
    log.close()
