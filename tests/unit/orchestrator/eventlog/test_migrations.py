"""A log that holds events is brought to the newest revision, and every event is still there."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from orchestrator.domain.events import Lane, SinkCounts
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog.columns import TYPES as COLUMNS
from orchestrator.eventlog.columns import rows_of
from orchestrator.eventlog.schema import STORE, check, migrate
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.stores import UtcDateTime
from tests.events import NOON, record

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.domain.events import EventRecord

OLD = sa.table(
    "events",
    *(sa.column(name) for name in ("id", "source", "type", "lane", "body")),
    *(sa.column(name) for name in ("price_status", "price_usd", "price_version")),
    sa.column("key", sa.Uuid),
    sa.column("time", UtcDateTime),
)
TYPES = frozenset({"redrive.llm.call.v1"})


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/events.sqlite"
    address: str = request.getfixturevalue("postgres")
    return address


def old_row(made: EventRecord) -> dict[str, Any]:
    """Give the columns that the first revision had."""
    row = dict(zip(COLUMNS, rows_of([made], made.time)[0], strict=True))
    return {name: value for name, value in row.items() if name in OLD.c}


def fill(url: str, records: list[EventRecord]) -> None:
    """Make a log of the first revision with these events, the first of them dead, all of them passed."""
    STORE.migrate(url, "0001")
    engine = STORE.open(url)
    with engine.begin() as connection:
        connection.execute(OLD.insert(), [old_row(each) for each in records])
        connection.execute(sa.text("INSERT INTO cursors VALUES ('warehouse', 'priority', 2, 1)"))
        connection.execute(sa.text("INSERT INTO dead_letters VALUES ('warehouse', 1, 'NaN')"))
    engine.dispose()


def test_a_log_of_the_first_revision_keeps_what_it_holds(url: str) -> None:
    """Events, cursors and dead letters come through every revision; the next number is higher than all before."""
    days = [timedelta(0), timedelta(days=-40), timedelta(days=400)]
    records = [_at(record(), day) for day in days]
    fill(url, records)
    migrate(url)
    check(url)
    log = SqlEventLog(url)
    log.subscribe("warehouse", Subscription(TYPES))
    kept = log.read(Lane.PRIORITY, 0, 10)
    assert [each.record for each in kept] == records
    assert [each.accepted_at for each in kept] == [each.time for each in records]
    assert log.counts("warehouse") == SinkCounts(3, 0, 0, 3, 1, 1, 1)
    assert [each.event.record for each in log.dead_letters("warehouse", 10)] == records[:1]
    assert log.append([records[0], record()]).duplicate == 1
    assert log.read(Lane.PRIORITY, kept[-1].seq, 10)[0].seq > kept[-1].seq
    log.close()


def _at(made: EventRecord, later: timedelta) -> EventRecord:
    return type(made)(made.key, made.id, made.source, made.type, NOON + later, made.lane, made.body, made.price)
