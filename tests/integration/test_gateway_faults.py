"""What a gateway may do to a relay, by a clock of the test's own: nothing is lost, and nobody is hammered."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING, Any, Final

import pytest

from eventbus.wire import LLM_CALL
from orchestrator.breaker import Breaker
from orchestrator.domain.events import Lane, SinkCounts
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.eventlog.schema import migrate
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.flows.forwarding import Relay
from orchestrator.sinks.memory import MemorySink
from orchestrator.sinks.rudderstack import RudderStackSink
from tests.events import CALL, NOON, event, record
from tests.gateway import WRITE_KEY, gateway

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.domain.ports import EventLog, Sink
    from tests.gateway import Reply

CALLS: Final = frozenset({LLM_CALL})
# Seconds: how long all is well before and after; the shortest step of the clock.
WELL: Final = 5
MENDED: Final = 180
STEP: Final = 0.05
# How many are accepted in each tick.
EVENTS: Final = 20
# In bytes: what may be held more at the end of an outage than a minute after its beginning.
FLAT: Final = 1_000_000

Messages = list[dict[str, Any]]


@dataclass(slots=True)
class World:
    """A log, relays of one lane each, and the one time by which all of them go."""

    log: EventLog
    now: datetime = NOON
    relays: dict[str, Relay] = field(default_factory=dict)
    due: dict[str, datetime] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)

    def add(self, sink: Sink) -> None:
        """Put a relay in front of a sink."""
        takes = Subscription(CALLS)
        self.log.subscribe(sink.name, takes)
        breaker = Breaker(sink.name, lambda: 0.0, clock=self.seconds)
        self.relays[sink.name] = Relay(self.log, sink, takes, Lane.PRIORITY, breaker, lambda: 1, lambda: 0.0)

    def seconds(self) -> float:
        """Read the time as a breaker does."""
        return (self.now - NOON).total_seconds()

    def accept(self, number: int) -> None:
        """Take events in, each of a user of its own."""
        records = [record(event(LLM_CALL, CALL | {"user_id": f"u{each}"})) for each in range(number)]
        self.log.append(records)
        self.accepted += [str(each.key) for each in records]

    def run(self, seconds: float) -> None:
        """Let each relay move whenever it is due."""
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            for name, relay in self.relays.items():
                if self.due.get(name, NOON) <= self.now:
                    while (wait := relay.run_once(self.now)) is None:
                        pass
                    self.due[name] = self.now + timedelta(seconds=max(wait, STEP))
            self.now = min(end, *self.due.values())

    def live(self, seconds: int, tick: int = 5) -> None:
        """Let time pass with events in each tick; the sums hold all the while, and who is well is never behind."""
        for _ in range(0, seconds, tick):
            self.accept(EVENTS)
            self.run(tick)
            assert all(self.counts(name).adds_up for name in self.relays)
            assert self.counts("other").pending == 0

    def counts(self, name: str) -> SinkCounts:
        """Count for one sink."""
        return self.log.counts(name)


@dataclass(slots=True)
class Plane:
    """A gateway that is well, or does as its fault says; what it committed is in `arrived`."""

    fault: Fault
    ill: bool = False
    arrived: list[str] = field(default_factory=list)
    requests: int = 0
    let_go: Event = field(default_factory=Event)

    def reply(self, batch: Messages) -> Reply:
        """Answer one post."""
        self.requests += self.ill
        if not self.ill or self.fault.commits:
            self.arrived += [each["messageId"] for each in batch]
        if self.ill and self.fault.hangs:
            self.let_go.wait(60)
        return self.fault.answer if self.ill else (200, {}, b"OK")


@dataclass(frozen=True, slots=True)
class Fault:
    """What a gateway does for so many seconds, and how many requests it may get meanwhile."""

    answer: Reply
    most_requests: int
    seconds: int = 300
    commits: bool = False
    hangs: bool = False
    parks: bool = False


FAULTS: Final = {
    "503 for five minutes": Fault((503, {}, b"upstream is away"), 30),
    "503 with Retry-After": Fault((503, {"Retry-After": "60"}, b"later"), 6),
    "429 with Retry-After": Fault((429, {"Retry-After": "60"}, b"too many"), 6),
    "429 without": Fault((429, {}, b"too many"), 40),
    "504 after committing": Fault((504, {}, b"gateway time-out"), 30, commits=True),
    "hangs": Fault((200, {}, b"OK"), 30, hangs=True, seconds=120),
    "cuts in mid-body": Fault((200, {"Content-Length": "100"}, b"O"), 30, commits=True),
    "401 for an hour": Fault((401, {}, b"Invalid Write Key"), 130, seconds=3600, parks=True),
}


def world(log: Callable[[Callable[[], datetime]], EventLog]) -> World:
    """Make a world with one sink that is always well."""
    times: list[World] = []
    made = World(log(lambda: times[0].now if times else NOON))
    times.append(made)
    made.add(MemorySink("other", CALLS))
    return made


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_gateway_loses_nothing(name: str) -> None:
    """Every event arrives, the ill gateway gets few requests, the other sink never waits."""
    fault, here = FAULTS[name], world(MemoryEventLog)
    plane, tick = Plane(fault), fault.seconds // 60
    with gateway(plane.reply) as server:
        patient, hasty = (RudderStackSink(server.url, WRITE_KEY, seconds) for seconds in (60.0, 0.25))
        here.add(patient)
        here.live(WELL)
        plane.ill, here.relays["rudderstack"].sink = True, hasty if fault.hangs else patient
        here.live(fault.seconds, tick)
        assert here.relays["rudderstack"].parked is fault.parks
        plane.ill, here.relays["rudderstack"].sink = False, patient
        plane.let_go.set()
        here.live(MENDED)
    assert 1 <= plane.requests <= fault.most_requests
    assert here.counts("rudderstack") == here.counts("other")
    assert set(plane.arrived) == set(here.accepted)
    if not fault.commits and not fault.hangs:
        assert len(plane.arrived) == len(set(plane.arrived))


def test_an_outage_holds_nothing_in_memory(tmp_path: Path) -> None:
    """What waits is on disk: after minutes of an outage no more is held than at its beginning."""
    url = f"sqlite:///{tmp_path}/events.sqlite"
    migrate(url)
    log = SqlEventLog(url)
    here, plane = world(lambda _: log), Plane(FAULTS["503 for five minutes"], ill=True)
    held = []
    with gateway(plane.reply) as server:
        here.add(RudderStackSink(server.url, WRITE_KEY, 60.0))
        other = here.relays["other"].sink
        assert isinstance(other, MemorySink)
        tracemalloc.start()
        try:
            for _ in range(4):
                here.accept(1_500)
                here.live(40, 10)
                for kept in (other.events, here.accepted, server.batches):
                    kept.clear()
                held.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
    assert here.counts("rudderstack").pending > 4 * 1_500
    assert held[-1] - held[1] < FLAT
    log.close()
