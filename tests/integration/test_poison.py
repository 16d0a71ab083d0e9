"""Events that no gateway could take among a thousand good ones: each is a dead letter, and the others arrive."""

from __future__ import annotations

import gzip
from base64 import b64encode
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from eventbus.wire import LLM_CALL, RUDDERSTACK_MESSAGE
from orchestrator.breaker import Breaker
from orchestrator.dev.dataplane.gateway import Refusal, Request, accept
from orchestrator.domain.events import Lane, SinkCounts
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog.schema import migrate
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.flows.forwarding import Limits, Relay
from orchestrator.sinks.rudderstack import RudderStackSink
from tests.events import CALL, event, record
from tests.gateway import WRITE_KEY, gateway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.domain.events import EventRecord
    from tests.gateway import Reply

AUTHORIZATION = "Basic " + b64encode(f"{WRITE_KEY}:".encode()).decode()
# Posts of a thousand good events.
POSTS = 2
# What a culprit costs that only the gateway knows of: nine halves of a post of 500, and one post for the rest.
SEARCH = 10


@dataclass(slots=True)
class Plane:
    """A gateway that checks as the real one does, and refuses whatever holds one of `poison`, for no reason of ours."""

    poison: set[str] = field(default_factory=set)
    arrived: list[str] = field(default_factory=list)
    posts: int = 0

    def reply(self, batch: list[dict[str, Any]]) -> Reply:
        """Take all of a batch or nothing."""
        self.posts += 1
        ids = [each["messageId"] for each in batch]
        body = gzip.compress(orjson.dumps({"batch": batch}), 1)
        try:
            accept(Request("/v1/batch", {"authorization": AUTHORIZATION, "content-encoding": "gzip"}, body), WRITE_KEY)
        except Refusal as refusal:
            return refusal.status, {}, refusal.text.encode()
        if self.poison.intersection(ids):
            return 400, {}, b"invalid json"
        self.arrived += ids
        return 200, {}, b"OK"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqlEventLog]:
    """Give an empty log."""
    url = f"sqlite:///{tmp_path}/events.sqlite"
    migrate(url)
    made = SqlEventLog(url)
    yield made
    made.close()


def calls(number: int) -> list[EventRecord]:
    """Make events of as many users."""
    return [record(event(LLM_CALL, CALL | {"user_id": f"u{each}"})) for each in range(number)]


def forward(log: SqlEventLog, plane: Plane) -> SinkCounts:
    """Forward everything that is in the log."""
    with gateway(plane.reply) as server:
        sink = RudderStackSink(server.url, WRITE_KEY, 60.0)
        takes = Subscription(sink.types)
        log.subscribe(sink.name, takes)
        for lane in Lane:
            breaker = Breaker("b", lambda: 0.0)
            relay = Relay(log, sink, takes, lane, breaker, lambda: 1, lambda: 0.0, Limits(1_000, 50_000_000, 0))
            now = log.read(lane, 0, 1)[0].accepted_at + timedelta(minutes=1) if log.read(lane, 0, 1) else None
            while now and relay.run_once(now) is None:
                assert log.counts(sink.name).adds_up
        return log.counts(sink.name)


def test_a_thousand_with_three_that_nobody_could_take(log: SqlEventLog) -> None:
    """NaN, 5 MB and a blank userId: three dead letters that name the field, 997 delivered, not one post more."""
    records = calls(1_000)
    records[137] = replace(
        records[137], body=records[137].body.replace(b'"duration_seconds":1.5', b'"duration_seconds":NaN')
    )
    large = record(event(LLM_CALL, CALL | {"agent_id": "x" * 5_000_000}))
    records[618] = large
    blank = event(RUDDERSTACK_MESSAGE, {"type": "track", "event": "Signed Up", "userId": "  ", "properties": {}})
    records[901] = record(blank, lane=Lane.PRIORITY)
    log.append(records)
    plane = Plane()
    assert forward(log, plane) == SinkCounts(1_000, 0, 0, 1_000, 997, 0, 3)
    letters = {each.event.record.key: each for each in log.dead_letters("rudderstack", 10)}
    assert {key: letter.refusal.field for key, letter in letters.items()} == {
        records[137].key: "data.duration_seconds",
        records[618].key: "data.agent_id",
        records[901].key: "data.userId",
    }
    assert [letter.event.record.body for letter in letters.values()] == [records[n].body for n in (137, 618, 901)]
    good = {str(each.key) for each in records} - {str(key) for key in letters}
    assert sorted(plane.arrived) == sorted(good)
    assert plane.posts <= POSTS


@pytest.mark.parametrize("places", [[0], [499], [500], [617], [999], [250, 700], [3, 4, 5]])
def test_a_culprit_that_only_the_gateway_knows(log: SqlEventLog, places: list[int]) -> None:
    """Each is found alone at the cost of a search, no event arrives twice, and a user's events stay in their order."""
    records = calls(1_000)
    log.append(records)
    plane = Plane({str(records[place].key) for place in places})
    assert forward(log, plane) == SinkCounts(1_000, 0, 0, 1_000, 1_000 - len(places), 0, len(places))
    dead = [str(each.event.record.key) for each in log.dead_letters("rudderstack", 10)]
    assert dead == [str(records[place].key) for place in places]
    assert plane.arrived == [key for key in (str(each.key) for each in records) if key not in plane.poison]
    assert plane.posts <= POSTS + SEARCH * len(places)
