"""A batch leaves when it is full, or when its oldest event has waited long enough."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from eventbus.wire import LLM_CALL, TASK_FAILED
from orchestrator.domain.events import Lane
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.flows.batches import IDLE, STRIDE, Gatherer, Limits, cut
from tests.events import CALL, NOON, event, record, stored

if TYPE_CHECKING:
    from orchestrator.domain.events import EventRecord, Stretch
    from orchestrator.flows.batches import Batch

COSTS = Subscription(frozenset({LLM_CALL}))


def gathered(records: list[EventRecord], limits: Limits, age: float = 0.0, share: float = 1.0) -> Batch:
    """Take the first batch of a log that accepted these events so many seconds ago."""
    log = MemoryEventLog(lambda: NOON)
    log.append(records)
    gatherer = Gatherer(log, Lane.PRIORITY, COSTS, limits, 5.0)
    return gatherer.gather(0, share, NOON + timedelta(seconds=age))


def seqs(batch: Batch) -> list[int]:
    """List what is to go."""
    return [each.seq for each in batch.wanted]


def test_a_full_batch_leaves_at_once() -> None:
    """As many events as the limit says need not wait for time to pass."""
    batch = gathered([record() for _ in range(5)], Limits(events=3, linger=60))
    assert (seqs(batch), batch.last, batch.wait) == ([1, 2, 3], 3, 0.0)


@pytest.mark.parametrize(("bytes_in_events", "taken"), [(2.0, [1, 2]), (2.5, [1, 2]), (0.1, [1])])
def test_bytes_limit_a_batch_as_well_as_their_number(bytes_in_events: float, taken: list[int]) -> None:
    """What does not fit stays behind, and the first event always goes."""
    records = [record() for _ in range(3)]
    batch = gathered(records, Limits(bytes=int(len(records[0].body) * bytes_in_events), linger=60))
    assert (seqs(batch), batch.last, batch.wait) == (taken, taken[-1], 0.0)


@pytest.mark.parametrize(("age", "wait"), [(0.0, IDLE), (9.9, pytest.approx(0.1)), (10.0, 0.0), (11.0, 0.0)])
def test_a_batch_that_is_not_full_leaves_when_its_oldest_event_is_old_enough(age: float, wait: float) -> None:
    """It waits for company, looked at again and again, but no longer than it may."""
    batch = gathered([record() for _ in range(3)], Limits(linger=10), age)
    assert seqs(batch) == [1, 2, 3]
    assert batch.wait == wait


def test_what_a_sink_does_not_take_fills_no_batch() -> None:
    """A batch is filled from behind the events of other types; only they are in it."""
    kinds = [TASK_FAILED] * 300 + [LLM_CALL] * 3 + [TASK_FAILED]
    batch = gathered([record(event(kind)) for kind in kinds], Limits(events=2, linger=60))
    assert (seqs(batch), batch.last, batch.wait) == ([301, 302], 302, 0.0)


def test_nothing_but_what_a_sink_does_not_take_is_passed_in_strides() -> None:
    """However long the stretch, a look at it ends."""
    batch = gathered([record(event(TASK_FAILED, {})) for _ in range(STRIDE + 10)], Limits())
    assert (seqs(batch), batch.last, batch.wait) == ([], STRIDE, 0.0)


def test_a_share_of_a_batch_is_one_event_at_least() -> None:
    """A probe after an outage is small, and no batch is empty."""
    records = [record() for _ in range(5)]
    assert seqs(gathered(records, Limits(events=4), share=0.5)) == [1, 2]
    assert seqs(gathered(records, Limits(events=4), share=0.001)) == [1]


def test_an_empty_log_is_looked_at_again() -> None:
    """With nothing there, nothing is passed."""
    batch = gathered([], Limits())
    assert (seqs(batch), batch.last, batch.passed, batch.wait) == ([], 0, 0, IDLE)


def test_what_is_sent_again_is_cut_by_bytes_too() -> None:
    """Events are taken from the front while they fit, and the first always is."""
    events = stored(record(), record(), record())
    size = len(events[0].record.body)
    assert [each.seq for each in cut(events, size * 2)] == [1, 2]
    assert [each.seq for each in cut(events, 1)] == [1]
    assert cut([], 1) == []


class CountingLog(MemoryEventLog):
    """A log that notes how many bytes each look at it gave."""

    def stretch(self, *asked: Any, **more: Any) -> Stretch:
        """Note the bytes."""
        found = super().stretch(*asked, **more)
        self.given = [*getattr(self, "given", []), sum(len(each.record.body) for each in found.events)]
        return found


@pytest.mark.parametrize("taken", [True, False])
def test_no_more_is_read_than_may_go_and_one_event(taken: bool) -> None:
    """Large events are not read to be thrown away, and those that a sink leaves out are passed all the same."""
    log = CountingLog(lambda: NOON)
    log.append([record(event(data=CALL | {"filler": "x" * 10_000})) for _ in range(200)])
    size = max(len(each.record.body) for each in log.read(Lane.PRIORITY, 0, 200))
    subscription = COSTS if taken else Subscription(frozenset({LLM_CALL}), organizations=frozenset({"nobody"}))
    batch = Gatherer(log, Lane.PRIORITY, subscription, Limits(bytes=50_000, linger=60), 5.0).gather(0, 1.0, NOON)
    assert max(log.given) <= 50_000 + size
    assert (seqs(batch), batch.last) == (([1, 2, 3, 4], 4) if taken else ([], 200))


class GenerousLog(MemoryEventLog):
    """A log that never cuts a stretch."""

    def stretch(self, *asked: Any, **_bytes: Any) -> Stretch:
        """Give all of it."""
        return super().stretch(*asked[:4])


def test_the_batches_are_those_of_whole_stretches() -> None:
    """Where a stretch is cut changes no batch: events of all sizes, some of them left out, from end to end."""
    sizes, kinds = [0, 10, 500, 3_000, 9_000], [LLM_CALL, LLM_CALL, TASK_FAILED]
    made = [record(event(kinds[n % 3], CALL | {"filler": "x" * sizes[n * n % 5]})) for n in range(400)]
    records = [replace(each, organization=f"o{n % 7 % 3}") for n, each in enumerate(made)]
    walks = []
    for log in (MemoryEventLog(lambda: NOON), GenerousLog(lambda: NOON)):
        log.append(records)
        subscription = Subscription(frozenset({LLM_CALL}), organizations=frozenset({"o0", "o1"}))
        gatherer = Gatherer(log, Lane.PRIORITY, subscription, Limits(events=20, bytes=15_000, linger=60), 5.0)
        batches = [gatherer.gather(0, 1.0, NOON)]
        while batches[-1].last < len(records):
            batches.append(gatherer.gather(batches[-1].last, 1.0, NOON))
        walks.append([(seqs(each), each.last, each.bytes, each.wait) for each in batches])
    assert walks[0] == walks[1]
    assert len(walks[0]) > 10
