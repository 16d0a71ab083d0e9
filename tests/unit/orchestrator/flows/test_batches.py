"""A batch leaves when it is full, or when its oldest event has waited long enough."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from eventbus.wire import LLM_CALL, TASK_FAILED
from orchestrator.domain.events import Lane
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.flows.batches import IDLE, STRIDE, Gatherer, Limits, cut
from tests.events import NOON, event, record, stored

if TYPE_CHECKING:
    from orchestrator.domain.events import EventRecord
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
