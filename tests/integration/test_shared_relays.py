"""Two orchestrators share the relays of one database: one of them leads, and the other takes over when it is killed."""

from __future__ import annotations

import signal
from collections import Counter
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.domain.events import Lane
from orchestrator.eventlog.schema import migrate
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.sinks.rudderstack import RudderStackSink
from tests.events import CALL, event, record
from tests.gateway import WRITE_KEY, gateway
from tests.relaying import DEADLINE, on_postgresql, relaying, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gateway import Reply

NAME = RudderStackSink("http://127.0.0.1:1", WRITE_KEY, 1.0).name
EVENTS = 3_500
HELD = 2


@pytest.mark.timeout(300)
def test_the_other_takes_over_where_one_was_killed(postgres: str, tmp_path: Path) -> None:
    """Nothing is lost; what went twice is the one batch that was in hand, under the same ids."""
    posts, busy, let_go = list[list[str]](), Lock(), Event()

    def reply(batch: list[dict[str, Any]]) -> Reply:
        """Take every post; the answer to the second one never reaches who sent it."""
        with busy:
            posts.append([each["messageId"] for each in batch])
            number = len(posts)
        if number == HELD:
            let_go.wait(DEADLINE)
        return 200, {}, b"OK"

    migrate(postgres)
    log = SqlEventLog(postgres)
    records = [record(event(data=CALL | {"user_id": f"u{number}"})) for number in range(EVENTS)]
    log.append(records)
    stores = on_postgresql(postgres)
    with gateway(reply) as server, relaying(tmp_path / "one", stores, server.url, lease_seconds=30) as one:
        until("one is in the middle of a batch", lambda: len(posts) >= HELD)
        with relaying(tmp_path / "two", stores, server.url, lease_seconds=30) as two:
            one.kill()
            one.wait()
            until("the other has delivered all", lambda: log.counts(NAME).pending == 0)
            let_go.set()
            two.send_signal(signal.SIGTERM)
            assert two.wait(DEADLINE) == 0
    arrived = [each for post in posts for each in post]
    assert set(arrived) == {str(each.key) for each in records}
    twice = {each for each, times in Counter(arrived).items() if times > 1}
    assert set(posts[HELD - 1]) <= twice <= {each for post in posts[:HELD] for each in post}
    assert max(Counter(arrived).values()) == 2
    counts = log.counts(NAME)
    assert counts.adds_up
    assert (counts.delivered, counts.dead) == (EVENTS, 0)
    assert log.cursor(NAME, Lane.PRIORITY) == log.read(Lane.PRIORITY, 0, EVENTS)[-1].seq
    log.close()
