"""A relay moves one lane into one sink: in order, nothing lost, nothing blocked."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from eventbus.wire import LLM_CALL, TASK_FAILED
from orchestrator.domain.backoff import LONGEST_RETRY_AFTER
from orchestrator.domain.errors import StaleEpoch
from orchestrator.domain.events import Deferred, Lane, Passed, Refusal, Rejected, SinkCounts
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.flows.forwarding import IDLE, PATIENCE, Limits, Relay, cut
from orchestrator.sinks.memory import MemorySink
from tests.events import NOON, event, record, stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.domain.events import Delivery


class Closed:
    """A circuit that lets everything through."""

    def deliver(self, send: Callable[[], Delivery]) -> Delivery:
        """Make the delivery."""
        return send()


def relay(log: MemoryEventLog, sink: MemorySink, *, epoch: int = 1, events: int = 200) -> Relay:
    """Make a relay of the priority lane without dice."""
    takes = Subscription(sink.types)
    return Relay(log, sink, takes, Lane.PRIORITY, Closed(), lambda: epoch, lambda: 0.0, Limits(events=events))


def filled(*kinds: str) -> MemoryEventLog:
    """Make a log with an event of each of these types."""
    log = MemoryEventLog()
    log.append([record(event(kind)) for kind in kinds])
    return log


def counts(log: MemoryEventLog, sink: MemorySink) -> SinkCounts:
    """Count, and insist that the counts add up."""
    log.subscribe(sink.name, Subscription(sink.types))
    counted = log.counts(sink.name)
    assert counted.adds_up
    return counted


def test_a_batch_is_delivered_and_the_cursor_moves_behind_it() -> None:
    """All that is there goes in order, then the relay says that it waits."""
    log, sink = filled(*[LLM_CALL] * 5), MemorySink("s", [LLM_CALL])
    mover = relay(log, sink, events=3)
    assert mover.run_once(NOON) is None
    assert mover.run_once(NOON) is None
    assert mover.run_once(NOON) == IDLE
    assert [each.seq for each in sink.events] == [1, 2, 3, 4, 5]
    assert counts(log, sink) == SinkCounts(5, 0, 0, 5, 5, 0, 0)


def test_what_the_sink_does_not_take_is_stepped_over() -> None:
    """Events of other types move the cursor and are counted as filtered; a batch of nothing else reaches no sink."""
    log, sink = filled(TASK_FAILED, LLM_CALL, TASK_FAILED), MemorySink("s", [LLM_CALL])
    mover = relay(log, sink, events=1)
    assert [mover.run_once(NOON) for _ in range(4)] == [None, None, None, IDLE]
    assert [each.seq for each in sink.events] == [2]
    assert counts(log, sink) == SinkCounts(3, 2, 0, 1, 1, 0, 0)


def test_a_deferred_batch_stays_and_goes_again_later_and_later() -> None:
    """While the sink is down the cursor stands, the distances double, and calls before their time reach no sink."""
    log, sink = filled(LLM_CALL), MemorySink("s", [LLM_CALL], [Deferred("down")] * 3)
    mover, now = relay(log, sink), NOON
    for turn in range(3):
        wait = mover.run_once(now)
        assert wait == PATIENCE.seconds(turn, 0.0)
        assert mover.run_once(now) == wait
        assert mover.last_error == "down"
        assert counts(log, sink) == SinkCounts(1, 0, 0, 1, 0, 1, 0)
        now += timedelta(seconds=wait or 0)
    assert mover.run_once(now) is None
    assert mover.last_error is None
    assert counts(log, sink) == SinkCounts(1, 0, 0, 1, 1, 0, 0)


@pytest.mark.parametrize(
    ("asked", "waits"), [(7.0, 7.0), (0.0, PATIENCE.base), (1e9, LONGEST_RETRY_AFTER), (120.0, 120.0)]
)
def test_the_sinks_own_wish_goes_before_the_backoff(asked: float, waits: float) -> None:
    """Retry-After is kept, within reason: no hammering for 0, no parking for days."""
    log, sink = filled(LLM_CALL), MemorySink("s", [LLM_CALL], [Deferred("busy", asked)])
    assert relay(log, sink).run_once(NOON) == waits


def test_a_rejected_event_becomes_a_dead_letter_and_the_rest_goes_on() -> None:
    """One poison event is filed with its reason; the others of its batch are delivered, and so is what follows."""
    log, sink = filled(*[LLM_CALL] * 4), MemorySink("s", [LLM_CALL], [Rejected({2: Refusal("blank userId")})])
    mover = relay(log, sink, events=3)
    mover.run_once(NOON)
    mover.run_once(NOON)
    assert [each.seq for each in sink.events] == [1, 3, 4]
    assert [(each.event.seq, each.refusal.reason) for each in log.dead_letters("s", 10)] == [(2, "blank userId")]
    assert counts(log, sink) == SinkCounts(4, 0, 0, 4, 3, 0, 1)


def test_a_crash_between_delivery_and_cursor_repeats_the_same_batch() -> None:
    """The next relay delivers the same events under the same keys: at least once, never less."""
    log, sink = filled(LLM_CALL, LLM_CALL), MemorySink("s", [LLM_CALL])
    log.advance("s", Lane.PRIORITY, 0, epoch=2, passed=Passed(NOON))
    with pytest.raises(StaleEpoch):
        relay(log, sink, epoch=1).run_once(NOON)
    relay(log, sink, epoch=2).run_once(NOON)
    assert [each.seq for each in sink.events] == [1, 2, 1, 2]
    assert counts(log, sink) == SinkCounts(2, 0, 0, 2, 2, 0, 0)


def test_a_batch_ends_before_it_grows_too_large() -> None:
    """Bytes limit a batch as well as their number, and the first event always goes."""
    events = stored(record(), record(), record())
    size = len(events[0].record.body)
    assert [each.seq for each in cut(events, size * 2)] == [1, 2]
    assert [each.seq for each in cut(events, 1)] == [1]
    assert cut([], 1) == []
