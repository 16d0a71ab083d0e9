"""Dropping rows on PostgreSQL while others write: nobody who appends is refused, and nothing is lost between."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from eventbus.wire import LLM_CALL
from orchestrator.breaker import Breaker
from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.domain.events import Lane, Passed, Refusal, SinkCounts
from orchestrator.domain.replays import Discard, ItemState, Origin, Replay, Selection
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog.appending import APPENDING
from orchestrator.eventlog.partitions import drop_days
from orchestrator.eventlog.replays import SqlReplays
from orchestrator.eventlog.schema import STORE, migrate
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.eventlog.totals import take_turn
from orchestrator.eventlog.upkeep import LogKeep
from orchestrator.flows.replaying import GONE, Replayer
from orchestrator.sinks.memory import MemorySink
from tests.events import event, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.domain.events import EventRecord

DAY = timedelta(days=1)
KEEP = LogKeep(events=2 * DAY, keys=90 * DAY)
START = datetime(2026, 3, 10, 11, 30, tzinfo=UTC)
# Seconds that anything here may take on a slow machine.
PATIENCE = 120
WAITS_FOR_A_TURN = sa.text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@pytest.fixture
def clock() -> list[datetime]:
    """Hold the time that the log goes by."""
    return [START]


@pytest.fixture
def log(postgres: str, clock: list[datetime]) -> Iterator[SqlEventLog]:
    """Give a log with a day of 20 events that its one sink is done with, and which is to be dropped."""
    migrate(postgres)
    made = SqlEventLog(postgres, lambda: clock[0])
    made.subscribe("warehouse", Subscription(frozenset({LLM_CALL})))
    made.upkeep(KEEP).run_once()
    made.append([of(START) for _ in range(20)])
    last = made.read(Lane.PRIORITY, 0, 100)[-1].seq
    made.advance("warehouse", Lane.PRIORITY, last, epoch=1, passed=Passed(START))
    made.upkeep(KEEP).run_once()
    clock[0] += 4 * DAY
    # The day before it, which is empty, goes first.
    made.upkeep(KEEP).run_once()
    yield made
    made.close()


def of(moment: datetime) -> EventRecord:
    """Make an event of this moment."""
    return record(replace(event(LLM_CALL, {}), time=moment))


def rows(connection: sa.Connection) -> int:
    """Count the events that lie in the log."""
    count: int = connection.execute(sa.text("SELECT count(*) FROM events")).scalar_one()
    return count


@contextmanager
def beside(url: str) -> Iterator[sa.Connection]:
    """Open a connection of our own."""
    engine = STORE.open(url)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def wait_for_a_turn(connection: sa.Connection, work: Future[Any]) -> None:
    """Wait until this work waits for one of the log's locks."""
    until = time.monotonic() + PATIENCE
    while not connection.execute(WAITS_FOR_A_TURN).scalar_one():
        assert not work.done(), "it took no turn"
        assert time.monotonic() < until, "nobody came to wait"
        time.sleep(0.01)


def test_an_append_under_way_is_not_kept_from_its_commit(log: SqlEventLog, postgres: str) -> None:
    """Whoever drops a day holds nothing that an append needs while it waits for the append to end."""
    with ThreadPoolExecutor() as pool, beside(postgres) as appender:
        appender.execute(sa.text(APPENDING))
        dropping = pool.submit(log.upkeep(KEEP).run_once)
        with beside(postgres) as other:
            wait_for_a_turn(other, dropping)
        appender.execute(sa.text("UPDATE held SET events = events"))
        appender.commit()
        assert dropping.result(PATIENCE) == 20
        assert rows(appender) == 0


def test_appends_go_on_while_a_day_is_dropped(log: SqlEventLog, postgres: str, clock: list[datetime]) -> None:
    """Every append is taken, the day goes, and the log knows how much it holds."""
    over, others = Event(), [SqlEventLog(postgres, lambda: clock[0]) for _ in range(3)]

    def append(one: SqlEventLog) -> int:
        count = 0
        while not over.is_set():
            count += one.append([of(clock[0])]).new
        return count

    with ThreadPoolExecutor() as pool, beside(postgres) as connection:
        appending = [pool.submit(append, each) for each in others]
        try:
            _drop_all(log)
        finally:
            over.set()
        taken = sum(each.result(PATIENCE) for each in appending)
        assert rows(connection) == log.held().events == taken
    for each in others:
        each.close()


def _drop_all(log: SqlEventLog) -> None:
    """Tend the log until the day is gone: a step that waited too long for its turn is taken again."""
    until = time.monotonic() + PATIENCE
    while any(each.record.time == START for each in log.read(Lane.PRIORITY, 0, 1)):
        assert time.monotonic() < until, "the day is still there"
        try:
            log.upkeep(KEEP).run_once()
        except DependencyUnreachable as error:
            assert "lock timeout" in str(error)  # noqa: PT017 - anything else, a deadlock above all, is a fault


def again() -> Replay:
    """Make a replay of what was delivered, as one that looks for gaps does."""
    return Replay(uuid4(), "nightly", "gap", START, Selection(dead=False), origin=Origin.RECONCILER)


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize(
    "asked",
    [
        lambda replays: replays.begin(again(), ["warehouse"]),
        lambda replays: replays.begin_with(again(), "warehouse", [1]),
        lambda replays: replays.discard(Selection(), Discard("ada", "old", START)),
        lambda replays: replays.settle(again(), "warehouse", [], {1: Refusal("no")}, START),
    ],
    ids=["begin", "begin_with", "discard", "settle"],
)
def test_what_is_sent_again_is_settled_between_two_drops(postgres: str, asked: Callable[[SqlReplays], Any]) -> None:
    """A row is never asked for while it goes: whoever asks waits until it is gone, or keeps it where it is."""
    replays = SqlReplays(postgres)
    with ThreadPoolExecutor() as pool, beside(postgres) as dropper:
        take_turn(dropper)
        asking = pool.submit(asked, replays)
        with beside(postgres) as other:
            wait_for_a_turn(other, asking)
        dropper.execute(sa.text("DELETE FROM events"))
        dropper.commit()
        asking.result(PATIENCE)
    assert replays.next_batch("warehouse", 10) is None
    replays.close()


def test_an_event_that_went_meanwhile_stops_no_replay(log: SqlEventLog, postgres: str) -> None:
    """It is refused, with its reason, and is no dead letter; the replay goes on with the others, and ends."""
    replays, sink, replay = SqlReplays(postgres), MemorySink("warehouse", {LLM_CALL}), again()
    replays.begin_with(replay, "warehouse", [1, 2])
    with beside(postgres) as connection:
        connection.execute(sa.text("DELETE FROM events WHERE seq = 1"))
        connection.commit()
    Replayer(replays, sink, Breaker("warehouse", lambda: 0.5), lambda: 0.5).run_once(START)
    assert [each.seq for each in sink.events] == [2]
    assert [(each.state, each.refusal) for each in replays.items_of(1)] == [(ItemState.REFUSED, GONE)]
    assert (replays.next_batch("warehouse", 10), log.dead_letters("warehouse", 10)) == (None, [])
    kept = replays.replay(replay.id)
    assert kept is not None
    assert kept.ended_at == START
    replays.close()


def test_a_sink_that_comes_while_rows_go_adds_up(log: SqlEventLog, postgres: str) -> None:
    """It waits until they are gone, and counts them as filtered; one that says the same again does not wait."""
    calls = Subscription(frozenset({LLM_CALL}))
    with ThreadPoolExecutor() as pool, beside(postgres) as dropper:
        take_turn(dropper)
        pool.submit(log.subscribe, "warehouse", calls).result(PATIENCE)
        coming = pool.submit(log.subscribe, "late", calls)
        with beside(postgres) as other:
            wait_for_a_turn(other, coming)
        assert drop_days(dropper, START + 2 * DAY, START + 4 * DAY) == 20
        dropper.commit()
        coming.result(PATIENCE)
    assert log.counts("late") == SinkCounts(20, 20, 0, 0, 0, 0, 0)
