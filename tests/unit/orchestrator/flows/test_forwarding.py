"""A relay moves one lane into one sink: in order, nothing lost, nothing blocked."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from eventbus.wire import LLM_CALL, TASK_FAILED
from orchestrator.domain.backoff import LONGEST_RETRY_AFTER
from orchestrator.domain.errors import StaleEpoch
from orchestrator.domain.events import Deferred, Lane, Outcome, Passed, Refusal, Rejected, SinkCounts
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.flows.forwarding import IDLE, PARKED, PATIENCE, Limits, Relay
from orchestrator.sinks.memory import MemorySink
from tests.events import NOON, event, record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestrator.domain.events import Delivery, StoredEvent


class Closed:
    """A circuit that lets everything through."""

    def rest(self) -> float:
        """Hold nothing up."""
        return 0.0

    def allowance(self) -> float:
        """Allow whole batches."""
        return 1.0

    def deliver(self, send: Callable[[], Delivery]) -> Delivery:
        """Make the delivery."""
        return send()


def relay(log: MemoryEventLog, sink: MemorySink, *, epoch: int = 1, events: int = 200) -> Relay:
    """Make a relay of the priority lane without dice."""
    takes = Subscription(sink.types)
    return Relay(log, sink, takes, Lane.PRIORITY, Closed(), lambda: epoch, lambda: 0.0, Limits(events=events, linger=0))


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
    """Events of other types are counted as filtered and reach no sink; the cursor follows within a second."""
    log, sink = filled(TASK_FAILED, LLM_CALL, TASK_FAILED), MemorySink("s", [LLM_CALL])
    mover = relay(log, sink, events=1)
    assert [mover.run_once(NOON) for _ in range(2)] == [None, IDLE]
    assert [each.seq for each in sink.events] == [2]
    assert log.cursor("s", Lane.PRIORITY) == 2
    log.append([record(event(TASK_FAILED))])
    assert mover.run_once(NOON + timedelta(seconds=1)) == IDLE
    assert log.cursor("s", Lane.PRIORITY) == 4
    assert counts(log, sink) == SinkCounts(4, 3, 0, 1, 1, 0, 0)


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
    log = filled(LLM_CALL, LLM_CALL)

    class Overtaken(MemorySink):
        def deliver(self, batch: Sequence[StoredEvent]) -> Delivery:
            log.advance("s", Lane.PRIORITY, 0, epoch=2, passed=Passed(NOON))
            return super().deliver(batch)

    sink = Overtaken("s", [LLM_CALL])
    with pytest.raises(StaleEpoch):
        relay(log, sink, epoch=1).run_once(NOON)
    relay(log, sink, epoch=2).run_once(NOON)
    assert [each.seq for each in sink.events] == [1, 2, 1, 2]
    assert counts(log, sink) == SinkCounts(2, 0, 0, 2, 2, 0, 0)


def test_a_relay_of_an_older_epoch_than_the_cursor_s_delivers_nothing() -> None:
    """Where the ledger was lost or put back, no batch goes again and again under an epoch that may write nothing."""
    log, sink = filled(*[LLM_CALL] * 3), MemorySink("s", [LLM_CALL])
    log.advance("s", Lane.PRIORITY, 0, epoch=5, passed=Passed(NOON))
    late = relay(log, sink, epoch=2)
    for _ in range(3):
        with pytest.raises(StaleEpoch) as refused:
            late.run_once(NOON)
        assert refused.value.newest == 5
    assert sink.events == []
    assert relay(log, sink, epoch=6).run_once(NOON) is None
    assert counts(log, sink).delivered == 3


def test_a_type_that_a_new_process_adds_is_taken_once_it_leads() -> None:
    """What the old relay steps over meanwhile is counted as filtered, never as delivered."""
    log, sink = filled(LLM_CALL), MemorySink("s", [LLM_CALL])
    old, new = relay(log, sink), relay(log, MemorySink("s", [LLM_CALL, TASK_FAILED]), epoch=2)
    old.run_once(NOON)
    log.subscribe("s", new.subscription)
    log.append([record(event(kind)) for kind in (TASK_FAILED, LLM_CALL)])
    old.run_once(NOON)
    assert log.counts("s") == SinkCounts(3, 1, 0, 2, 2, 0, 0)
    log.append([record(event(TASK_FAILED))])
    new.run_once(NOON)
    assert log.counts("s") == SinkCounts(4, 1, 0, 3, 3, 0, 0)
    with pytest.raises(StaleEpoch):
        old.run_once(NOON + timedelta(minutes=1))


def test_what_the_old_relay_files_of_a_type_that_a_new_process_takes_away_is_counted() -> None:
    """The sum holds before and after the new process leads: what was refused was routed then."""
    log, sink = filled(TASK_FAILED), MemorySink("s", [LLM_CALL, TASK_FAILED], [Rejected({1: Refusal("no")})])
    old, new = relay(log, sink), relay(log, MemorySink("s", [LLM_CALL]), epoch=2)
    log.subscribe("s", old.subscription)
    log.subscribe("s", new.subscription)
    old.run_once(NOON)
    new.run_once(NOON)
    log.append([record(event(TASK_FAILED))])
    assert log.counts("s") == SinkCounts(2, 1, 0, 1, 0, 0, 1)


def test_a_new_leader_says_what_its_sink_takes_while_its_circuit_is_open() -> None:
    """What waits is counted by the settings of whoever leads, also where nothing can be sent yet."""
    log, circuit = filled(LLM_CALL, TASK_FAILED), Careful()
    log.subscribe("s", Subscription(frozenset({LLM_CALL})))
    sink = MemorySink("s", [LLM_CALL, TASK_FAILED])
    mover = Relay(log, sink, Subscription(sink.types), Lane.PRIORITY, circuit, lambda: 1, lambda: 0.0)
    assert mover.run_once(NOON) == 1.0
    assert log.counts("s") == SinkCounts(2, 0, 0, 2, 0, 2, 0)


def test_what_came_before_a_deferral_is_settled_and_goes_once() -> None:
    """A sink that took a part moves the cursor behind it, with what it refused; only the rest goes again."""
    log = filled(*[LLM_CALL] * 5)
    partly = Deferred("busy", upto=3, refusals={2: Refusal("poison")})
    sink = MemorySink("s", [LLM_CALL], [partly])
    mover = relay(log, sink)
    wait = mover.run_once(NOON)
    assert counts(log, sink) == SinkCounts(5, 0, 0, 5, 2, 2, 1)
    mover.run_once(NOON + timedelta(seconds=wait or 0))
    assert [each.seq for each in sink.events] == [4, 5]
    assert counts(log, sink) == SinkCounts(5, 0, 0, 5, 4, 0, 1)


def test_a_dead_letter_says_how_often_its_batch_was_handed_over() -> None:
    """Two deferrals and a refusal are three attempts; the batch behind it begins anew."""
    refusing = [Rejected({seq: Refusal("no")}) for seq in (1, 2)]
    sink = MemorySink("s", [LLM_CALL], [Deferred("down"), Deferred("down"), *refusing])
    log = filled(LLM_CALL, LLM_CALL)
    mover = relay(log, sink, events=1)
    for number in range(4):
        mover.run_once(NOON + timedelta(minutes=number))
    assert [each.attempts for each in log.dead_letters("s", 10)] == [3, 1]


def answers(log: MemoryEventLog) -> list[tuple[str, str | None]]:
    """List what was noted of the first event."""
    first = log.read(Lane.PRIORITY, 0, 1)[0]
    return [(each.outcome, each.detail) for each in log.answers(first)]


def test_answers_are_noted_when_they_change_and_once_a_minute() -> None:
    """Of many tries a reader finds each change, the same answer once a minute, and that it went in the end."""
    given = [*[Deferred("503")] * 3, *[Deferred("429", None, Outcome.THROTTLE)] * 2, *[Deferred("429")] * 4]
    log, sink = filled(LLM_CALL), MemorySink("s", [LLM_CALL], given)
    mover = relay(log, sink)
    for number in range(len(given) + 1):
        mover.run_once(NOON + timedelta(seconds=25 * number))
    assert answers(log) == [
        ("failure", "503"),
        ("throttle", "429"),
        ("failure", "429"),
        ("failure", "429"),
        ("success", None),
    ]


def test_a_wrong_key_parks_the_relay_until_it_is_right() -> None:
    """Nothing is dropped, the sink is asked about once a minute, and the relay says that it is parked."""
    log, sink = filled(LLM_CALL), MemorySink("s", [LLM_CALL], [Deferred("401", None, Outcome.CONFIG)])
    mover = relay(log, sink)
    assert mover.run_once(NOON) == PARKED.base
    assert mover.parked
    assert counts(log, sink).pending == 1
    assert mover.run_once(NOON + timedelta(seconds=PARKED.base)) is None
    assert not mover.parked
    assert counts(log, sink).delivered == 1


def test_a_clock_that_is_put_back_parks_nobody() -> None:
    """A pause ends when the clock shows a time before it began, and events of the future leave at once."""
    log, sink = MemoryEventLog(lambda: NOON), MemorySink("s", [LLM_CALL], [Deferred("down")])
    log.append([record()])
    takes = Subscription(sink.types)
    mover = Relay(log, sink, takes, Lane.PRIORITY, Closed(), lambda: 1, lambda: 0.0, Limits(linger=5))
    mover.run_once(NOON + timedelta(seconds=5))
    assert mover.last_error
    assert mover.run_once(NOON - timedelta(hours=1)) is None
    assert counts(log, sink).delivered == 1


def test_a_relay_that_leads_again_begins_where_the_other_stopped() -> None:
    """What another leader has delivered meanwhile does not go again."""
    log, sink, epochs = filled(*[LLM_CALL] * 4), MemorySink("s", [LLM_CALL]), [1]
    limits, takes = Limits(events=1, linger=0), Subscription(sink.types)
    mover = Relay(log, sink, takes, Lane.PRIORITY, Closed(), lambda: epochs[0], lambda: 0.0, limits)
    mover.run_once(NOON)
    log.advance("s", Lane.PRIORITY, 3, epoch=2, passed=Passed(NOON))
    with pytest.raises(StaleEpoch):
        mover.run_once(NOON)
    epochs[0] = 3
    mover.run_once(NOON)
    assert [each.seq for each in sink.events] == [1, 2, 4]


class Careful(Closed):
    """A circuit that has just closed: a tenth of a batch at a time; before, it rests."""

    def __init__(self) -> None:
        self.resting = 1.0

    def rest(self) -> float:
        """Hold everything up while it is told to."""
        return self.resting

    def allowance(self) -> float:
        """Allow a tenth."""
        return 0.1


def test_the_circuit_says_when_and_how_much() -> None:
    """Nothing is read while the circuit rests; then a batch holds the share that it allows."""
    log, sink, circuit = filled(*[LLM_CALL] * 50), MemorySink("s", [LLM_CALL]), Careful()
    limits, takes = Limits(events=50), Subscription(sink.types)
    mover = Relay(log, sink, takes, Lane.PRIORITY, circuit, lambda: 1, lambda: 0.0, limits)
    assert mover.run_once(NOON) == 1.0
    assert sink.events == []
    circuit.resting = 0.0
    assert mover.run_once(NOON) is None
    assert [each.seq for each in sink.events] == [1, 2, 3, 4, 5]
