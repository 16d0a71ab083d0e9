"""What forgetting a sink must do, on memory, SQLite and PostgreSQL, beside the log that knows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from eventbus.wire import LLM_CALL, TASK_FAILED
from orchestrator.domain.circuits import CircuitState
from orchestrator.domain.events import Answer, Lane, Passed, Refusal, SinkCounts
from orchestrator.domain.replays import Discard, ItemState, Replay, Selection
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog.circuits import MemoryCircuits, SqlCircuits
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.eventlog.replays import SqlReplays
from orchestrator.eventlog.replays_memory import MemoryReplays
from orchestrator.eventlog.schema import migrate
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.eventlog.subscribers import MemorySubscribers, SqlSubscribers
from orchestrator.eventlog.upkeep import LogKeep
from tests.events import NOON, event, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.domain.ports import Circuits, EventLog
    from orchestrator.domain.replays import Replays
    from orchestrator.domain.subscribers import Subscribers

GONE, STAYS = "acme", "warehouse"
LATER = NOON + timedelta(minutes=5)
CALLS = Subscription(frozenset({LLM_CALL}))


@dataclass
class Store:
    """A log that two sinks have subscribed to, and what stands beside it."""

    log: EventLog
    replays: Replays
    circuits: Circuits
    subscribers: Subscribers
    seqs: list[int]


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Give a failure and five calls; each sink refused the first call, and has got up to the fourth."""
    if request.param == "memory":
        memory, kept = MemoryEventLog(lambda: NOON), MemoryCircuits()
        beside = MemoryReplays(memory)
        yield begun(memory, beside, kept, MemorySubscribers(beside, kept))
        return
    sqlite = f"sqlite:///{tmp_path}/events.sqlite"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres")
    migrate(url)
    log, replays, circuits = SqlEventLog(url, lambda: NOON), SqlReplays(url), SqlCircuits(url)
    subscribers = SqlSubscribers(url)
    yield begun(log, replays, circuits, subscribers)
    for each in (log, replays, circuits, subscribers):
        each.close()


def begun(log: EventLog, replays: Replays, circuits: Circuits, subscribers: Subscribers) -> Store:
    """Let both sinks do the same: one call refused, one discarded, one sampled out, one delivered, one waits."""
    log.append([record(event(kind)) for kind in (TASK_FAILED, *[LLM_CALL] * 5)])
    seqs = [each.seq for each in log.read(Lane.PRIORITY, 0, 10)]
    refusals = {seqs[1]: Refusal("it is NaN"), seqs[2]: Refusal("too large")}
    for sink in (GONE, STAYS):
        log.subscribe(sink, CALLS)
        passed = Passed(NOON, refusals, frozenset({seqs[3]}))
        log.advance(sink, Lane.PRIORITY, seqs[4], epoch=1, passed=passed)
        log.note_answer(Answer(sink, Lane.PRIORITY, seqs[1], seqs[4], "failure", "503", NOON))
        circuits.force(f"{sink}/priority", CircuitState.OPEN, "ada", "a deploy")
    second = log.read(Lane.PRIORITY, seqs[1], 1)[0].record.key
    replays.discard(Selection(keys=frozenset({second})), Discard("ada", "junk", NOON))
    return Store(log, replays, circuits, subscribers, seqs)


def upkeep(store: Store, *, days: int) -> None:
    """Sum up what is done, and drop what is older than so many days, where the log is in a database."""
    if isinstance(store.log, SqlEventLog):
        step = store.log.upkeep(LogKeep(events=timedelta(days=days), keys=timedelta(days=90)))
        while step.run_once():
            pass


@pytest.mark.parametrize("summed_up", [False, True], ids=["rows", "totals"])
def test_one_that_is_forgotten_is_a_new_one_when_it_comes_again(store: Store, *, summed_up: bool) -> None:
    """Nothing of it is left; what comes under its name begins at the log's oldest event, and its counts add up."""
    if summed_up:
        upkeep(store, days=9)
    before = store.log.counts(STAYS)
    assert (before, store.log.counts(GONE)) == (SinkCounts(6, 1, 1, 4, 1, 1, 2), before)
    store.subscribers.forget(GONE, LATER)
    assert (store.subscribers.names(), store.subscribers.knows(GONE)) == ([STAYS], False)
    assert store.log.cursor(GONE, Lane.PRIORITY) == 0
    store.log.subscribe(GONE, CALLS)
    upkeep(store, days=9)
    assert store.log.counts(GONE) == SinkCounts(6, 1, 0, 5, 0, 5, 0)
    store.log.advance(GONE, Lane.PRIORITY, store.seqs[5], epoch=1, passed=Passed(LATER))
    upkeep(store, days=9)
    assert store.log.counts(GONE) == SinkCounts(6, 1, 0, 5, 5, 0, 0)
    assert [each.counts.adds_up for each in store.log.hours(GONE, NOON - timedelta(hours=1), LATER)] == [True]
    assert store.log.counts(STAYS) == before


def test_the_other_sinks_keep_what_they_had(store: Store) -> None:
    """Dead letters, discards, answers, circuits: those of the forgotten one are gone, the others' are as they were."""
    store.subscribers.forget(GONE, LATER)
    letters = store.replays.letters(Selection(), 10)
    assert [(each.sink, each.discarded is not None) for each in letters] == [(STAYS, True), (STAYS, False)]
    assert [each.name for each in store.circuits.list()] == [f"{STAYS}/priority"]
    assert (store.replays.last_error(GONE), store.replays.last_error(STAYS) is not None) == (None, True)
    again = Subscription(frozenset({LLM_CALL, TASK_FAILED}))
    store.log.subscribe(GONE, again)
    assert store.log.counts(GONE).filtered == 0


def test_a_replay_sends_nothing_more_to_it(store: Store) -> None:
    """One that has nothing else to send is over; one that goes to another sink too goes on there."""
    alone, both = Replay(uuid4(), "ada", "x", NOON, Selection(dead=False)), Replay(uuid4(), "ada", "y", NOON)
    store.replays.begin(alone, [GONE])
    store.replays.begin(both, [GONE, STAYS])
    store.subscribers.forget(GONE, LATER)
    assert store.replays.next_batch(GONE, 10) is None
    assert store.replays.progress(both.id) == {STAYS: {ItemState.WAITING: 1}}
    told = [store.replays.replay(each.id) for each in (alone, both)]
    assert [each.ended_at if each else NOON for each in told] == [LATER, None]


@pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
def test_nothing_is_kept_back_for_it(store: Store) -> None:
    """Once it is forgotten, what the others are done with is dropped; a new one of its name counts that as filtered."""
    assert isinstance(store.log, SqlEventLog)
    store.log.advance(STAYS, Lane.PRIORITY, store.seqs[5], epoch=1, passed=Passed(NOON))
    store.log._clock = lambda: NOON + timedelta(days=10)
    upkeep(store, days=2)
    assert [each.seq for each in store.log.read(Lane.PRIORITY, 0, 10)] == [store.seqs[1], store.seqs[5]]
    store.subscribers.forget(GONE, LATER)
    upkeep(store, days=2)
    # One dead letter of the other sink is not given up.
    assert [each.seq for each in store.log.read(Lane.PRIORITY, 0, 10)] == [store.seqs[1]]
    store.log.subscribe(GONE, CALLS)
    assert store.log.counts(GONE) == SinkCounts(6, 5, 0, 1, 0, 1, 0)
    assert store.log.counts(STAYS).adds_up


@pytest.mark.parametrize("name", ["nobody", ""])
def test_one_that_the_log_does_not_know_is_not_there_to_forget(store: Store, name: str) -> None:
    """It is not known, and forgetting it changes nothing of the others'."""
    assert not store.subscribers.knows(name)
    before = [store.log.counts(each) for each in (GONE, STAYS)]
    store.subscribers.forget(name, LATER)
    assert [store.log.counts(each) for each in (GONE, STAYS)] == before
    assert store.subscribers.names() == [GONE, STAYS]
