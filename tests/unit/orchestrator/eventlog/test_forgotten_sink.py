"""A sink that is taken out of the settings holds the log until it is forgotten, as docs/sinks.md says."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from orchestrator.domain.events import Lane, Passed
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog.schema import STORE, migrate
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.eventlog.upkeep import LogKeep
from tests.events import record

PAGE = Path(__file__).parents[4] / "docs/sinks.md"
NOW = datetime(2026, 3, 10, 11, 30, tzinfo=UTC)


def left(log: SqlEventLog, lane: Lane) -> int:
    """Do all the upkeep that there is to do, and count what is left of a lane."""
    upkeep = log.upkeep(LogKeep(events=timedelta(days=2), keys=timedelta(days=3)))
    while upkeep.run_once():
        pass
    return len(log.read(lane, 0, 100))


def test_a_sink_is_forgotten_by_the_statement_of_the_page(tmp_path: Path) -> None:
    """While it is known, nothing that it has not got is dropped; once it is forgotten, the other sinks decide."""
    url, clock, made = f"sqlite:///{tmp_path}/events.sqlite", [NOW], record()
    migrate(url)
    log = SqlEventLog(url, lambda: clock[0])
    for sink in ("warehouse", "acme"):
        log.subscribe(sink, Subscription(frozenset({made.type})))
    log.append([made])
    (stored,) = log.read(made.lane, 0, 100)
    log.advance("warehouse", made.lane, stored.seq, epoch=1, passed=Passed(NOW))
    clock[0] += timedelta(days=10)
    assert left(log, made.lane) == 1
    found = re.search(r"`(DELETE FROM subscriptions[^`]*)`", PAGE.read_text())
    assert found
    with STORE.open(url).begin() as connection:
        connection.execute(sa.text(found[1].replace("NAME", "acme")))
    assert left(log, made.lane) == 0
    assert log.counts("warehouse").adds_up
    log.close()
