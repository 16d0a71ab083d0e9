"""Upkeep: rows become totals and are dropped, and every count is what it was before."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import sqlalchemy as sa

from eventbus.wire import LLM_CALL, SPAN_ENDED, TASK_FAILED
from orchestrator.domain.events import Appended, Lane, Passed, Refusal, SinkCounts
from orchestrator.domain.replays import Discard, Origin, Replay, Selection
from orchestrator.domain.room import ROW_BYTES, Held, Room
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog.partitions import PARTITIONS
from orchestrator.eventlog.replays import SqlReplays
from orchestrator.eventlog.schema import STORE, check, migrate
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.eventlog.upkeep import LogKeep
from tests.events import event, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.domain.events import EventRecord

DAY = timedelta(days=1)
KEEP = LogKeep(events=2 * DAY, keys=3 * DAY)
EVERYTHING = Subscription(frozenset({LLM_CALL, TASK_FAILED, SPAN_ENDED}))
COSTS = Subscription(frozenset({LLM_CALL}), frozenset({"acme"}))
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SINKS = ("warehouse", "costs")


@pytest.fixture
def clock() -> list[datetime]:
    """Hold the time that the log goes by."""
    return [datetime(2026, 3, 10, 11, 30, tzinfo=UTC)]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give a migrated database of each kind."""
    sqlite = f"sqlite:///{tmp_path}/events.sqlite"
    address: str = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres")
    migrate(address)
    return address


@pytest.fixture
def log(url: str, clock: list[datetime]) -> Iterator[SqlEventLog]:
    """Give a log with two sinks: one takes everything, one some costs."""
    made = SqlEventLog(url, lambda: clock[0])
    made.subscribe("warehouse", EVERYTHING)
    made.subscribe("costs", COSTS)
    yield made
    made.close()


def at(clock: list[datetime], kind: str = LLM_CALL, organization: str | None = "acme") -> EventRecord:
    """Make an event of now."""
    made = event(kind, {})
    return record(replace(made, time=clock[0]), organization=organization)


def pass_all(log: SqlEventLog, sink: str, *dead: int, left_out: frozenset[int] = frozenset()) -> None:
    """Have a sink be done with everything; these events it refused."""
    for lane in Lane:
        events = log.read(lane, log.cursor(sink, lane), 1000)
        if events:
            mine = {each.seq for each in events}
            refusals = {seq: Refusal("no") for seq in dead if seq in mine}
            passed = Passed(datetime.now(UTC), refusals, left_out & mine)
            log.advance(sink, lane, events[-1].seq, epoch=1, passed=passed)


def counts(log: SqlEventLog, *sinks: str) -> list[SinkCounts]:
    """Count for sinks, all of which must add up, as their hours must."""
    found = [log.counts(sink) for sink in sinks]
    for sink, each in zip(sinks, found, strict=True):
        assert each.adds_up
        hours = [
            hour.counts for hour in log.hours(sink, datetime(2020, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
        ]
        assert all(hour.adds_up for hour in hours)
        assert sum(hour.accepted for hour in hours) == each.accepted
        assert sum(hour.delivered for hour in hours) == each.delivered
        assert sum(hour.dead for hour in hours) == each.dead
    return found


def tend(log: SqlEventLog, keep: LogKeep = KEEP) -> int:
    """Do all the upkeep that there is to do now."""
    upkeep, moved = log.upkeep(keep), 0
    while step := upkeep.run_once():
        moved += step
    return moved


def rows(url: str, table: str = "events") -> int:
    """Count the rows of a table."""
    engine = STORE.open(url)
    with engine.connect() as connection:
        count: int = connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one()  # noqa: S608 - a name of ours
    engine.dispose()
    return count


def test_what_is_in_the_totals_counts_as_it_did(log: SqlEventLog, clock: list[datetime], url: str) -> None:
    """Rows behind the cursors go into totals, whole hours or parts of them; each count and each hour stays the same."""
    for _ in range(3):
        log.append([at(clock), at(clock, SPAN_ENDED), at(clock, TASK_FAILED), at(clock, LLM_CALL, None)])
        clock[0] += timedelta(minutes=40)
    spans = [each.seq for each in log.read(Lane.TELEMETRY, 0, 10)]
    pass_all(log, "warehouse", 1, 7, left_out=frozenset({spans[0]}))
    log.append([at(clock)])
    before = counts(log, *SINKS, "nobody")
    assert before[0] == SinkCounts(13, 0, 1, 12, 9, 1, 2)
    assert before[1] == SinkCounts(13, 9, 0, 4, 0, 4, 0)
    tend(log)
    assert counts(log, *SINKS, "nobody") == before
    assert rows(url) == 13
    assert rows(url, "totals") > 0
    pass_all(log, "costs")
    tend(log)
    assert counts(log, "costs") == [SinkCounts(13, 9, 0, 4, 4, 0, 0)]


def test_what_every_sink_is_done_with_goes_when_it_is_old(log: SqlEventLog, clock: list[datetime], url: str) -> None:
    """A row goes once it is old and every sink is past it; before that nothing does, and no count changes."""
    upkeep = log.upkeep(KEEP)
    upkeep.run_once()
    kept = at(clock)
    log.append([kept, at(clock, SPAN_ENDED), at(clock)])
    pass_all(log, "warehouse")
    clock[0] += 5 * DAY
    tend(log)
    assert rows(url) == 3
    pass_all(log, "costs", 1)
    log.append([at(clock)])
    before = counts(log, *SINKS, "nobody")
    tend(log)
    assert counts(log, *SINKS, "nobody") == before
    assert [each.event.record for each in log.dead_letters("costs", 10)] == [kept]
    assert rows(url) == 2
    assert log.held().events == 2
    check(url)


def test_a_sink_that_comes_late_adds_up(log: SqlEventLog, clock: list[datetime]) -> None:
    """What was dropped before a sink came counts as filtered for it; what is there still it gets."""
    log.append([at(clock)])
    for sink in SINKS:
        pass_all(log, sink)
    clock[0] += 3 * DAY
    tend(log)
    log.append([at(clock)])
    log.subscribe("late", EVERYTHING)
    assert counts(log, "late", "warehouse") == [SinkCounts(2, 1, 0, 1, 0, 1, 0), SinkCounts(2, 0, 0, 2, 1, 1, 0)]


def test_an_event_is_known_after_its_row_is_gone(log: SqlEventLog, clock: list[datetime], url: str) -> None:
    """For as long as keys are kept the same event is a duplicate; after that it is a new one."""
    old = at(clock)
    log.append([old])
    for sink in SINKS:
        pass_all(log, sink)
    clock[0] += 3 * DAY
    tend(log)
    assert rows(url) == 0
    fresh = at(clock)
    assert log.append([old, fresh]) == Appended(new=1, duplicate=1)
    clock[0] += 4 * DAY
    tend(log)
    assert log.append([old]) == Appended(new=1, duplicate=0)


def test_a_number_is_not_given_again_after_all_rows_went(log: SqlEventLog, clock: list[datetime], url: str) -> None:
    """Cursors stay true on an empty log."""
    log.append([at(clock), at(clock)])
    for sink in SINKS:
        pass_all(log, sink)
    clock[0] += 3 * DAY
    tend(log)
    assert (rows(url), log.held()) == (0, Held(0, 0))
    log.append([at(clock)])
    assert log.read(Lane.PRIORITY, log.cursor("warehouse", Lane.PRIORITY), 10)[0].seq == 3


def test_a_full_log_lets_go_early(log: SqlEventLog, clock: list[datetime], url: str) -> None:
    """When there is little room left, what every sink is done with goes whatever its age; what is pending stays."""
    log.append([at(clock) for _ in range(4)])
    for sink in SINKS:
        pass_all(log, sink)
    log.append([at(clock)])
    clock[0] += timedelta(minutes=1)
    tend(log)
    assert rows(url) == 5
    tend(log, replace(KEEP, room=Room(4 * ROW_BYTES)))
    assert rows(url) == 1


def test_dead_letters_that_are_mended_or_given_up_still_add_up(
    log: SqlEventLog, clock: list[datetime], url: str
) -> None:
    """A dead letter may be delivered, refused later, or given up and dropped: the sum holds after each step."""
    log.append([at(clock) for _ in range(3)])
    pass_all(log, "warehouse", 1, 2)
    pass_all(log, "costs")
    tend(log)
    replays = SqlReplays(url)
    again = Replay(uuid4(), "ann", "fixed", clock[0], Selection(sink="warehouse"))
    replays.begin(again, ["warehouse"])
    replays.settle(again, "warehouse", [1], {2: Refusal("still no")}, clock[0])
    assert counts(log, "warehouse") == [SinkCounts(3, 0, 0, 3, 2, 0, 1)]
    tend(log)
    assert counts(log, "warehouse") == [SinkCounts(3, 0, 0, 3, 2, 0, 1)]
    gap = Replay(uuid4(), "nightly", "gap", clock[0], Selection(dead=False), origin=Origin.RECONCILER)
    replays.begin_with(gap, "warehouse", [3])
    replays.settle(gap, "warehouse", [], {3: Refusal("no")}, clock[0])
    assert counts(log, "warehouse") == [SinkCounts(3, 0, 0, 3, 1, 0, 2)]
    replays.discard(Selection(sink="warehouse"), Discard("ann", "old", clock[0]))
    clock[0] += 3 * DAY
    tend(log)
    assert counts(log, "warehouse", "costs") == [SinkCounts(3, 0, 0, 3, 1, 0, 2), SinkCounts(3, 0, 0, 3, 3, 0, 0)]
    assert rows(url) == 0
    replays.close()


def test_what_waits_to_be_sent_again_stays(log: SqlEventLog, clock: list[datetime], url: str) -> None:
    """A row that a replay is going to send is not dropped under it."""
    log.append([at(clock), at(clock)])
    for sink in SINKS:
        pass_all(log, sink)
    replays = SqlReplays(url)
    replays.begin_with(Replay(uuid4(), "ann", "again", clock[0], Selection(dead=False)), "warehouse", [1])
    clock[0] += 3 * DAY
    tend(log)
    assert [each.seq for each in log.read(Lane.PRIORITY, 0, 10)] == [1]
    replays.close()


def test_postgresql_drops_whole_days(postgres: str, clock: list[datetime]) -> None:
    """There is a partition for each day to come; an old one goes as a whole, and its dead letters are kept beside."""
    migrate(postgres)
    log = SqlEventLog(postgres, lambda: clock[0])
    log.subscribe("warehouse", EVERYTHING)
    engine = STORE.open(postgres)
    tend(log)
    first = at(clock)
    log.append([first, at(clock)])
    clock[0] += DAY
    log.append([at(clock)])
    pass_all(log, "warehouse", 1)
    clock[0] += 2 * DAY
    before = counts(log, "warehouse")
    tend(log)
    with engine.connect() as connection:
        names = connection.execute(PARTITIONS).scalars().all()
        left = connection.execute(sa.text("SELECT seq FROM events_default")).scalars().all()
    assert names[0] == "events_20260311"
    assert left == [1]
    assert counts(log, "warehouse") == before
    assert [each.event.record for each in log.dead_letters("warehouse", 10)] == [first]
    assert log.append([first]) == Appended(new=0, duplicate=1)
    check(postgres)
    engine.dispose()
    log.close()
