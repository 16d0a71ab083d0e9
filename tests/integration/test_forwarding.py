"""From the event log to both sinks, over outages and crashes: nothing lost, nothing twice in the warehouse."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from eventbus.wire import LLM_CALL, TASK_FAILED, TASK_OUTCOMES
from orchestrator.breaker import Breaker
from orchestrator.domain.events import Lane, SinkCounts
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog import schema as eventlog
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.flows.forwarding import Limits, Relay
from orchestrator.sinks.rudderstack import RudderStackSink
from orchestrator.sinks.warehouse import WarehouseSink
from orchestrator.warehouse import schema as warehouse
from orchestrator.warehouse.queries import rows
from tests.events import NOON, event, record
from tests.gateway import WRITE_KEY, dataplane

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.domain.ports import Sink

KINDS = (LLM_CALL, LLM_CALL, TASK_FAILED, TASK_OUTCOMES)


@dataclass(slots=True)
class Clock:
    """One time for relays and breakers, which jumps instead of waiting."""

    seconds: float = 0.0

    def __call__(self) -> float:
        """Read it."""
        return self.seconds


@dataclass(slots=True)
class Forwarding:
    """One log with its relays. `deferrals` notes how long each sink was left alone, in seconds."""

    log: SqlEventLog
    clock: Clock = field(default_factory=Clock)
    deferrals: dict[str, list[float]] = field(default_factory=dict)
    relays: list[Relay] = field(default_factory=list)

    def add(self, sink: Sink) -> None:
        """Put a sink behind both lanes, with one breaker."""
        breaker = Breaker(sink.name, lambda: 0.0, clock=self.clock)
        for lane in Lane:
            takes = Subscription(sink.types)
            self.relays.append(Relay(self.log, sink, takes, lane, breaker, lambda: 1, lambda: 0.0, Limits(events=50)))

    def run(self, seconds: float) -> None:
        """Let every relay run for a while."""
        end = self.clock.seconds + seconds
        while self.clock.seconds < end:
            for relay in self.relays:
                while (wait := relay.run_once(NOON + timedelta(seconds=self.clock.seconds))) is None:
                    pass
                if relay.last_error:
                    self.deferrals.setdefault(relay.sink.name, []).append(wait)
            self.clock.seconds += 0.25

    def accept(self, number: int) -> None:
        """Append events of every kind."""
        self.log.append([record(event(KINDS[each % len(KINDS)])) for each in range(number)])

    def counts(self, sink: Sink) -> SinkCounts:
        """Count, and insist that the counts add up."""
        self.log.subscribe(sink.name, Subscription(sink.types))
        counted = self.log.counts(sink.name)
        assert counted.adds_up
        return counted


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Give a migrated event log and a migrated warehouse."""
    if request.param == "sqlite":
        given = (f"sqlite:///{tmp_path}/eventlog.sqlite", f"sqlite:///{tmp_path}/warehouse.sqlite")
    else:
        database: str = request.getfixturevalue("postgres")
        given = (database, database)
    eventlog.migrate(given[0])
    warehouse.migrate(given[1])
    return given


@pytest.fixture
def forwarding(urls: tuple[str, str]) -> Iterator[Forwarding]:
    """Give a log without relays."""
    log = SqlEventLog(urls[0])
    yield Forwarding(log)
    log.close()


def loaded(url: str) -> int:
    """Count the rows of the warehouse."""
    engine = warehouse.STORE.open(url)
    counted = rows(engine)
    engine.dispose()
    return counted


def test_a_data_plane_that_is_down_loses_nothing(forwarding: Forwarding, urls: tuple[str, str], tmp_path: Path) -> None:
    """While it is down the warehouse goes on and the data plane is left alone; then everything arrives, once each."""
    costs = WarehouseSink(urls[1])
    with dataplane(tmp_path) as server:
        port, tracked = int(server.server_address[1]), RudderStackSink(server.url, WRITE_KEY, 5.0)
        forwarding.add(costs)
        forwarding.add(tracked)
        forwarding.accept(100)
        forwarding.run(1)
        assert forwarding.counts(tracked) == SinkCounts(100, 25, 0, 75, 75, 0, 0)
    forwarding.accept(200)
    forwarding.run(120)
    assert forwarding.counts(tracked) == SinkCounts(300, 75, 0, 225, 75, 150, 0)
    assert forwarding.counts(costs) == SinkCounts(300, 75, 0, 225, 225, 0, 0)
    with dataplane(tmp_path, port) as server:
        forwarding.run(60)
        stats = server.store.stats()
    assert forwarding.counts(tracked) == SinkCounts(300, 75, 0, 225, 225, 0, 0)
    assert stats == {"messages": 225, "distinct": 225, "by_event": {"LLM Call": 150, "Task Failed": 75}}
    assert loaded(urls[1]) == 225
    assert "warehouse" not in forwarding.deferrals
    costs.close()


def test_a_sink_that_is_down_is_not_hammered(forwarding: Forwarding) -> None:
    """In ten minutes without an answer a sink is asked some thirty times, and hears of nothing in between."""
    asked = []

    class Down(RudderStackSink):
        def deliver(self, batch):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - the port's signature
            asked.append(forwarding.clock.seconds)
            return super().deliver(batch)

    forwarding.add(Down("http://127.0.0.1:1", WRITE_KEY, 1.0))
    forwarding.accept(10)
    forwarding.run(600)
    assert len(asked) < 40
    assert max(later - earlier for earlier, later in pairwise(asked)) <= 31


CRASHES = """
import os, signal, sys
from datetime import datetime, UTC
from orchestrator.breaker import Breaker
from orchestrator.domain.subscriptions import Subscription
from orchestrator.domain.events import Lane
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.flows.forwarding import Relay
from orchestrator.sinks.rudderstack import RudderStackSink
from orchestrator.sinks.warehouse import WarehouseSink

class Dies(SqlEventLog):
    def advance(self, *_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

kind, log, address = sys.argv[1:]
sink = WarehouseSink(address) if kind == "warehouse" else RudderStackSink(address, "k", 10.0)
takes = Subscription(sink.types)
relay = Relay(Dies(log), sink, takes, Lane.PRIORITY, Breaker("b", lambda: 0.0), lambda: 1, lambda: 0.0)
relay.run_once(datetime.now(UTC))
"""


@pytest.mark.parametrize("kind", ["warehouse", "rudderstack"])
def test_a_relay_killed_between_delivery_and_cursor_repeats_itself(
    forwarding: Forwarding, urls: tuple[str, str], tmp_path: Path, kind: str
) -> None:
    """The next one delivers the batch again: one row each in the warehouse, the same messageId again at RudderStack."""
    forwarding.accept(40)
    with dataplane(tmp_path) as server:
        address = urls[1] if kind == "warehouse" else server.url
        killed = subprocess.run([sys.executable, "-c", CRASHES, kind, urls[0], address], check=False, timeout=60)
        assert killed.returncode == -signal.SIGKILL
        costs, tracked = WarehouseSink(urls[1]), RudderStackSink(server.url, WRITE_KEY, 5.0)
        sink: Sink = costs if kind == "warehouse" else tracked
        assert forwarding.counts(sink).delivered == 0
        forwarding.add(sink)
        forwarding.run(1)
        stats = server.store.stats()
    assert forwarding.counts(sink).pending == 0
    expected = (30, 0, 0) if kind == "warehouse" else (0, 60, 30)
    assert (loaded(urls[1]), stats["messages"], stats["distinct"]) == expected
    costs.close()
