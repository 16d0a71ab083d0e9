"""A NUL in what a destination answers is no reason to stop: no text of PostgreSQL holds one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from eventbus.wire import LLM_CALL
from orchestrator.domain.circuits import CircuitState, Standing
from orchestrator.domain.events import Answer, Lane, Outcome, Passed, Refusal
from orchestrator.domain.replays import ItemState, Origin, Replay, Selection
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog.circuits import SqlCircuits
from orchestrator.eventlog.replays import SqlReplays
from orchestrator.eventlog.schema import migrate
from orchestrator.eventlog.sql import SqlEventLog
from tests.events import NOON, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SINK = "warehouse"
SAID, KEPT = "bad \0 thing", "bad \ufffd thing"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give a migrated database of each kind."""
    sqlite = f"sqlite:///{tmp_path}/events.sqlite"
    address: str = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres")
    migrate(address)
    return address


@pytest.fixture
def log(url: str) -> Iterator[SqlEventLog]:
    """Give a log of two calls that one sink takes."""
    made = SqlEventLog(url)
    made.subscribe(SINK, Subscription(frozenset({LLM_CALL})))
    made.append([record(), record()])
    yield made
    made.close()


def test_a_lane_passes_what_was_refused_with_a_nul(log: SqlEventLog) -> None:
    """The dead letter is filed, with a sign in the place of the NUL, and the cursor moves."""
    first, second = log.read(Lane.PRIORITY, 0, 10)
    passed = Passed(NOON, {first.seq: Refusal(SAID, SAID)})
    log.advance(SINK, Lane.PRIORITY, second.seq, epoch=1, passed=passed)
    assert log.cursor(SINK, Lane.PRIORITY) == second.seq
    assert [each.refusal for each in log.dead_letters(SINK, 10)] == [Refusal(KEPT, KEPT)]


def test_an_answer_with_a_nul_is_kept(log: SqlEventLog) -> None:
    """What a sink said is there to be read."""
    (first, _) = log.read(Lane.PRIORITY, 0, 10)
    log.note_answer(Answer(SINK, Lane.PRIORITY, first.seq, first.seq, "failure", SAID, NOON))
    assert [each.detail for each in log.answers(first)] == [KEPT]


def test_a_replay_notes_what_was_refused_with_a_nul(log: SqlEventLog, url: str) -> None:
    """The item is refused, and what was delivered before is a dead letter now."""
    (first, second) = log.read(Lane.PRIORITY, 0, 10)
    log.advance(SINK, Lane.PRIORITY, second.seq, epoch=1, passed=Passed(NOON))
    replays = SqlReplays(url)
    replay = Replay(uuid4(), "nightly", "gap", NOON, Selection(dead=False), origin=Origin.RECONCILER)
    replays.begin_with(replay, SINK, [first.seq])
    replays.settle(replay, SINK, [], {first.seq: Refusal(SAID, SAID)}, NOON + timedelta(minutes=1))
    assert [(each.state, each.refusal) for each in replays.items_of(first.seq)] == [
        (ItemState.REFUSED, Refusal(KEPT, KEPT))
    ]
    assert [each.refusal for each in log.dead_letters(SINK, 10)] == [Refusal(KEPT, KEPT)]
    replays.close()


def test_a_circuit_keeps_a_reason_with_a_nul(url: str) -> None:
    """How it stands is written all the same."""
    circuits = SqlCircuits(url)
    circuits.save(Standing(SINK, CircuitState.OPEN, NOON, 1, NOON, Outcome.FAILURE, SAID))
    kept = circuits.load(SINK)
    assert kept is not None
    assert kept.reason == KEPT
    circuits.close()
