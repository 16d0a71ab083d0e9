"""What every event log must do, on memory, SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from eventbus.wire import LLM_CALL, SPAN_ENDED, TASK_FAILED, TASK_OUTCOMES
from orchestrator.domain.errors import StaleEpoch
from orchestrator.domain.events import (
    Answer,
    Appended,
    HourCounts,
    Lane,
    Passed,
    Price,
    PricingStatus,
    Refusal,
    SinkCounts,
)
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.eventlog.schema import migrate
from orchestrator.eventlog.sql import SqlEventLog
from tests.events import NOON, event, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.domain.ports import EventLog

COSTS = Subscription(frozenset({LLM_CALL}))


def refusing(reasons: dict[int, str]) -> Passed:
    """Say that these events were refused."""
    return Passed(NOON, {seq: Refusal(reason) for seq, reason in reasons.items()})


@pytest.fixture
def clock() -> list[datetime]:
    """Hold the time that the log goes by."""
    return [datetime.now(UTC)]


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def log(request: pytest.FixtureRequest, tmp_path: Path, clock: list[datetime]) -> Iterator[EventLog]:
    """Give an empty log of each kind."""
    if request.param == "memory":
        yield MemoryEventLog(lambda: clock[0])
        return
    sqlite = f"sqlite:///{tmp_path}/events.sqlite"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres")
    migrate(url)
    made = SqlEventLog(url, lambda: clock[0])
    yield made
    made.close()


def test_a_record_comes_back_as_it_was_accepted(log: EventLog) -> None:
    """Bytes, ids, the moment and the price survive the store unchanged."""
    price = Price(PricingStatus.PRICED, Decimal("0.0000000001"), "v1")
    given = [record(price=price), record(event(TASK_FAILED, {"task": "naïve\n"}, "not-a-uuid"))]
    assert log.append(given) == Appended(new=2, duplicate=0)
    assert [stored.record for stored in log.read(Lane.PRIORITY, 0, 10)] == given


def test_a_time_keeps_its_moment_whatever_its_offset(log: EventLog) -> None:
    """An event stamped in another time zone is stored at the same instant."""
    there = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    made = event()
    log.append([record(type(made)(made.id, made.source, made.type, there, made.data))])
    assert log.read(Lane.PRIORITY, 0, 1)[0].record.time == NOON


def test_an_event_is_in_the_log_once(log: EventLog) -> None:
    """The same event again, in a later batch or within one, is counted and changes nothing."""
    one, two = record(), record()
    assert log.append([one, two, one]) == Appended(new=2, duplicate=1)
    assert log.append([two]) == Appended(new=0, duplicate=1)
    assert [stored.record.key for stored in log.read(Lane.PRIORITY, 0, 10)] == [one.key, two.key]


def test_nothing_is_appended_for_nothing(log: EventLog) -> None:
    """An empty batch is no error."""
    assert log.append([]) == Appended(new=0, duplicate=0)


def test_lanes_are_read_apart_and_in_order(log: EventLog) -> None:
    """A reader of one lane sees that lane alone, in the order of the log, from where it says."""
    made = [record(event(kind)) for kind in (LLM_CALL, TASK_OUTCOMES, TASK_FAILED, TASK_OUTCOMES)]
    log.append(made)
    first = log.read(Lane.PRIORITY, 0, 1)
    rest = log.read(Lane.PRIORITY, first[0].seq, 10)
    assert [stored.record.key for stored in first + rest] == [made[0].key, made[2].key]
    telemetry = log.read(Lane.TELEMETRY, 0, 10)
    assert [stored.record.key for stored in telemetry] == [made[1].key, made[3].key]
    assert telemetry[0].seq < telemetry[1].seq


def test_a_cursor_starts_at_zero_and_never_moves_back(log: EventLog) -> None:
    """Each (sink, lane) has a cursor of its own; an older position changes nothing."""
    assert log.cursor("warehouse", Lane.PRIORITY) == 0
    log.advance("warehouse", Lane.PRIORITY, 7, epoch=1, passed=Passed(NOON))
    log.advance("warehouse", Lane.PRIORITY, 3, epoch=1, passed=Passed(NOON))
    assert log.cursor("warehouse", Lane.PRIORITY) == 7
    assert log.cursor("warehouse", Lane.TELEMETRY) == 0
    assert log.cursor("rudderstack", Lane.PRIORITY) == 0


def test_a_writer_of_an_older_epoch_is_refused_whole(log: EventLog) -> None:
    """After a later epoch has written a cursor, an older one changes neither it nor the dead letters."""
    log.append([record()])
    log.advance("warehouse", Lane.PRIORITY, 0, epoch=3, passed=Passed(NOON))
    with pytest.raises(StaleEpoch):
        log.advance("warehouse", Lane.PRIORITY, 1, epoch=2, passed=refusing({1: "no"}))
    assert log.cursor("warehouse", Lane.PRIORITY) == 0
    assert log.dead_letters("warehouse", 10) == []
    log.advance("warehouse", Lane.PRIORITY, 1, epoch=3, passed=Passed(NOON))
    assert log.cursor("warehouse", Lane.PRIORITY) == 1


def test_dead_letters_are_kept_whole_with_their_reason(log: EventLog) -> None:
    """A dead letter is the event as it was accepted, with the first reason, listed oldest first, per sink."""
    made = [record() for _ in range(3)]
    log.append(made)
    seqs = [stored.seq for stored in log.read(Lane.PRIORITY, 0, 10)]
    log.advance("warehouse", Lane.PRIORITY, seqs[2], epoch=1, passed=refusing({seqs[2]: "blank", seqs[0]: "NaN"}))
    log.advance("warehouse", Lane.PRIORITY, seqs[2], epoch=1, passed=refusing({seqs[0]: "again"}))
    letters = [(each.event.record, each.refusal.reason) for each in log.dead_letters("warehouse", 10)]
    assert letters == [(made[0], "NaN"), (made[2], "blank")]
    assert len(log.dead_letters("warehouse", 1)) == 1
    assert log.dead_letters("rudderstack", 10) == []


def test_the_counts_add_up_at_every_step(log: EventLog) -> None:
    """Accepted is filtered + sampled_out + routed, and routed is delivered + pending + dead: before, between, after."""
    log.subscribe("warehouse", COSTS)
    log.subscribe("rudderstack", Subscription(frozenset({LLM_CALL, TASK_FAILED})))
    assert log.counts("warehouse") == SinkCounts(0, 0, 0, 0, 0, 0, 0)
    log.append([record(event(kind)) for kind in (LLM_CALL, TASK_OUTCOMES, LLM_CALL, TASK_FAILED, LLM_CALL)])
    assert log.counts("warehouse") == SinkCounts(5, 2, 0, 3, 0, 3, 0)
    calls = [each.seq for each in log.read(Lane.PRIORITY, 0, 10) if each.record.type == LLM_CALL]
    log.advance("warehouse", Lane.PRIORITY, calls[1], epoch=1, passed=refusing({calls[0]: "no"}))
    counts = log.counts("warehouse")
    assert counts == SinkCounts(5, 2, 0, 3, 1, 1, 1)
    assert counts.adds_up
    assert {type(count) for count in astuple(counts)} == {int}  # JSON writes PostgreSQL's own sums as text
    assert log.counts("rudderstack") == SinkCounts(5, 1, 0, 4, 0, 4, 0)
    assert log.counts("nothing") == SinkCounts(5, 5, 0, 0, 0, 0, 0)


def test_a_dead_letter_ahead_of_the_cursor_shows_in_the_sum(log: EventLog) -> None:
    """The counts are counted apart, so a fault shows: an event both pending and dead breaks the sum."""
    log.subscribe("warehouse", COSTS)
    log.append([record()])
    seq = log.read(Lane.PRIORITY, 0, 1)[0].seq
    log.advance("warehouse", Lane.PRIORITY, 0, epoch=1, passed=refusing({seq: "too early"}))
    assert not log.counts("warehouse").adds_up


def test_a_reader_behind_many_writers_steps_over_nothing(log: EventLog) -> None:
    """A cursor that follows concurrent appends sees every event exactly once."""
    batches = [[record() for _ in range(5)] for _ in range(40)]
    seen, after = [], 0
    with ThreadPoolExecutor(8) as pool:
        writers = [pool.submit(log.append, batch) for batch in batches]
        while True:
            finished = all(writer.done() for writer in writers)
            batch = log.read(Lane.PRIORITY, after, 7)
            seen += [stored.record.key for stored in batch]
            after = batch[-1].seq if batch else after
            if finished and not batch:
                break
    assert [writer.result().new for writer in writers] == [5] * 40
    assert sorted(seen) == sorted(each.key for batch in batches for each in batch)


def test_what_lies_behind_the_cursor_keeps_its_count(log: EventLog) -> None:
    """A sink that takes less from now on was given what it took then: only what is ahead is counted anew."""
    log.subscribe("warehouse", Subscription(frozenset({LLM_CALL, TASK_FAILED})))
    log.append([record(event(kind)) for kind in (LLM_CALL, TASK_FAILED, LLM_CALL, TASK_FAILED)])
    seqs = [each.seq for each in log.read(Lane.PRIORITY, 0, 10)]
    log.advance("warehouse", Lane.PRIORITY, seqs[1], epoch=1, passed=Passed(NOON))
    for _ in range(2):
        log.resubscribe("warehouse", Lane.PRIORITY, COSTS, epoch=1)
    assert log.counts("warehouse") == SinkCounts(4, 1, 0, 3, 2, 1, 0)
    log.resubscribe("warehouse", Lane.PRIORITY, Subscription(frozenset({TASK_FAILED})), epoch=1)
    assert log.counts("warehouse") == SinkCounts(4, 1, 0, 3, 2, 1, 0)
    log.advance("warehouse", Lane.PRIORITY, seqs[3], epoch=1, passed=Passed(NOON))
    assert log.counts("warehouse") == SinkCounts(4, 1, 0, 3, 3, 0, 0)


def test_a_process_that_starts_changes_nothing_of_a_known_sink(log: EventLog) -> None:
    """What a sink takes is the word of whoever leads its relay: another process may have other settings."""
    log.subscribe("warehouse", COSTS)
    log.subscribe("warehouse", Subscription(frozenset({LLM_CALL, TASK_FAILED})))
    log.append([record(event(kind)) for kind in (LLM_CALL, TASK_FAILED)])
    assert log.counts("warehouse") == SinkCounts(2, 1, 0, 1, 0, 1, 0)


def test_an_older_epoch_changes_no_subscription_and_learns_the_newest(log: EventLog) -> None:
    """Whoever leads says what a lane's sink takes; an earlier leader is refused before it has done anything."""
    both = Subscription(frozenset({LLM_CALL, TASK_FAILED}))
    log.append([record(event(kind)) for kind in (LLM_CALL, TASK_FAILED)])
    log.resubscribe("warehouse", Lane.PRIORITY, both, epoch=3)
    for write in (
        lambda: log.resubscribe("warehouse", Lane.PRIORITY, COSTS, epoch=2),
        lambda: log.advance("warehouse", Lane.PRIORITY, 1, epoch=2, passed=Passed(NOON)),
    ):
        with pytest.raises(StaleEpoch) as refused:
            write()
        assert refused.value.newest == 3
    assert log.counts("warehouse") == SinkCounts(2, 0, 0, 2, 0, 2, 0)
    assert log.cursor("warehouse", Lane.PRIORITY) == 0
    log.resubscribe("warehouse", Lane.TELEMETRY, COSTS, epoch=1)


def test_a_sink_may_take_some_organisations_only(log: EventLog) -> None:
    """An event of another organisation, or of none, is filtered; for a sink that takes all of them neither is."""
    log.subscribe("acme", Subscription(frozenset({LLM_CALL}), frozenset({"acme", "globex"})))
    log.subscribe("nobody", Subscription(frozenset({LLM_CALL}), frozenset()))
    log.subscribe("warehouse", COSTS)
    log.append([record(organization=name) for name in ("acme", "initech", None, "globex", "")])
    assert log.counts("acme") == SinkCounts(5, 3, 0, 2, 0, 2, 0)
    assert log.counts("nobody") == SinkCounts(5, 5, 0, 0, 0, 0, 0)
    assert log.counts("warehouse") == SinkCounts(5, 0, 0, 5, 0, 5, 0)


def test_an_organisation_and_a_trace_come_back(log: EventLog) -> None:
    """What routing and sampling go by is stored with the event, with the server's time of acceptance."""
    given = record(organization="acme", trace="a" * 32, failed=True)
    log.append([given])
    found = log.find(given.key)
    assert found is not None
    assert found.record == given
    assert abs(found.accepted_at - datetime.now(UTC)) < timedelta(hours=1)
    assert log.find(record().key) is None


def test_what_sampling_left_out_is_counted_apart(log: EventLog) -> None:
    """A span that was left out is neither routed nor delivered, and the sum holds."""
    log.subscribe("otlp", Subscription(frozenset({SPAN_ENDED}), sample=0.5))
    log.append([record(event(SPAN_ENDED, {})) for _ in range(4)])
    seqs = [each.seq for each in log.read(Lane.TELEMETRY, 0, 10)]
    passed = Passed(NOON, {seqs[2]: Refusal("no")}, frozenset({seqs[0]}))
    log.advance("otlp", Lane.TELEMETRY, seqs[2], epoch=1, passed=passed)
    log.advance("otlp", Lane.TELEMETRY, seqs[2], epoch=1, passed=passed)
    counts = log.counts("otlp")
    assert counts == SinkCounts(4, 0, 1, 3, 1, 1, 1)
    assert counts.adds_up


def test_hours_are_those_of_acceptance_and_add_up(log: EventLog, clock: list[datetime]) -> None:
    """Each hour in which something was accepted adds up by itself, and all of them to the whole count."""
    log.subscribe("warehouse", COSTS)
    for minutes, kind in ((0, LLM_CALL), (50, TASK_FAILED), (60, LLM_CALL), (200, LLM_CALL)):
        clock[0] = NOON + timedelta(minutes=minutes)
        log.append([record(event(kind))])
    seqs = [each.seq for each in log.read(Lane.PRIORITY, 0, 10)]
    log.advance("warehouse", Lane.PRIORITY, seqs[2], epoch=1, passed=refusing({seqs[2]: "no"}))
    noon = NOON.replace(minute=0, second=0, microsecond=0)
    hours = log.hours("warehouse", noon, noon + timedelta(days=1))
    assert hours == [
        HourCounts(noon, SinkCounts(2, 1, 0, 1, 1, 0, 0)),
        HourCounts(noon + timedelta(hours=1), SinkCounts(1, 0, 0, 1, 0, 0, 1)),
        HourCounts(noon + timedelta(hours=3), SinkCounts(1, 0, 0, 1, 0, 1, 0)),
    ]
    assert all(each.counts.adds_up for each in hours)
    assert log.hours("warehouse", noon + timedelta(hours=1), noon + timedelta(hours=2)) == hours[1:2]


def test_a_trace_in_which_something_failed_is_found(log: EventLog) -> None:
    """Of the traces that are asked for, those with an event that says so; events without a trace are in none."""
    failed, fine, other = "a" * 32, "b" * 32, "c" * 32
    log.append(
        [
            record(trace=failed),
            record(event(TASK_FAILED, {}), trace=failed, failed=True),
            record(trace=fine),
            record(trace=other, failed=True),
            record(failed=True),
        ]
    )
    assert log.failed_traces([failed, fine]) == {failed}
    assert log.failed_traces([]) == set()


def test_answers_are_those_to_the_batches_that_an_event_was_in(log: EventLog) -> None:
    """An answer belongs to a lane and to the events from its first to its last; oldest first."""
    log.append([record() for _ in range(3)])
    events = log.read(Lane.PRIORITY, 0, 10)
    seqs = [each.seq for each in events]
    told = [
        Answer("warehouse", Lane.PRIORITY, seqs[0], seqs[1], "deferred", "503", NOON),
        Answer("warehouse", Lane.PRIORITY, seqs[1], seqs[1], "delivered", None, NOON + timedelta(seconds=1)),
        Answer("warehouse", Lane.TELEMETRY, seqs[0], seqs[2], "delivered", None, NOON),
    ]
    for answer in told:
        log.note_answer(answer)
    assert log.answers(events[0]) == told[:1]
    assert log.answers(events[1]) == told[:2]
    assert log.answers(events[2]) == []


def test_dead_letters_tell_field_attempts_and_moment(log: EventLog) -> None:
    """A dead letter says what was wrong with which field, how often it was tried, and when; paged by number."""
    log.append([record(), record()])
    first, second = [each.seq for each in log.read(Lane.PRIORITY, 0, 10)]
    refusals = {first: Refusal("expected a number", "data.cost"), second: Refusal("too large")}
    log.advance("warehouse", Lane.PRIORITY, second, epoch=1, passed=Passed(NOON, refusals, attempts=3))
    letters = log.dead_letters("warehouse", 10)
    assert [(each.refusal, each.attempts, each.at) for each in letters] == [
        (refusals[first], 3, NOON),
        (refusals[second], 3, NOON),
    ]
    assert log.dead_letters("warehouse", 10, after=first) == letters[1:]


def test_a_stretch_holds_some_types_and_tells_how_far_all_of_them_reach(log: EventLog) -> None:
    """Events of other types and lanes are in no stretch, but those of the lane are counted and passed."""
    log.append([record(), record(event(TASK_FAILED, {})), record(event(SPAN_ENDED, {})), record(), record()])
    seqs = [each.seq for each in log.read(Lane.PRIORITY, 0, 10)]
    first = log.stretch(Lane.PRIORITY, 0, 3, COSTS.types)
    assert ([each.seq for each in first.events], first.last, first.number) == ([seqs[0], seqs[2]], seqs[2], 3)
    rest = log.stretch(Lane.PRIORITY, first.last, 3, COSTS.types)
    assert (list(rest.events), rest.last, rest.number) == (log.read(Lane.PRIORITY, first.last, 3), seqs[3], 1)


@pytest.mark.parametrize(
    ("bodies", "taken", "number"), [(0.0, 1, 1), (0.99, 1, 1), (1.0, 2, 3), (1.5, 2, 3), (19.5, 20, 39), (20.0, 20, 40)]
)
def test_a_stretch_is_cut_behind_so_many_bytes(log: EventLog, bodies: float, taken: int, number: int) -> None:
    """It ends with the event that is too much, and tells how many of the lane it passed up to there."""
    kept = [record() for _ in range(20)]
    log.append([each for one in kept for each in (one, record(event(TASK_FAILED, {})))])
    wanted = [each for each in log.read(Lane.PRIORITY, 0, 100) if each.record.type in COSTS.types]
    assert len({len(each.record.body) for each in wanted}) == 1
    stretch = log.stretch(Lane.PRIORITY, 0, 100, COSTS.types, int(len(kept[0].body) * bodies))
    assert list(stretch.events) == wanted[:taken]
    assert (stretch.number, stretch.cut) == (number, number < 40)
    rest = log.stretch(Lane.PRIORITY, stretch.last, 100, COSTS.types)
    assert (list(rest.events), rest.number) == (wanted[taken:], 40 - number)


@pytest.mark.parametrize("types", [frozenset(), frozenset({TASK_OUTCOMES}), frozenset({TASK_OUTCOMES, SPAN_ENDED})])
def test_a_stretch_without_anything_of_its_types_is_passed_whole(log: EventLog, types: frozenset[str]) -> None:
    """What nobody takes is counted; behind the last event there is nothing, and the place stays."""
    log.append([record(), record()])
    last = log.read(Lane.PRIORITY, 0, 10)[-1].seq
    passed, end = log.stretch(Lane.PRIORITY, 0, 10, types), log.stretch(Lane.PRIORITY, last, 10, types)
    assert (list(passed.events), passed.last, passed.number) == ([], last, 2)
    assert (list(end.events), end.last, end.number) == ([], last, 0)


def test_it_says_that_it_can_be_read(log: EventLog) -> None:
    """A log that is there is ready."""
    log.ready()
