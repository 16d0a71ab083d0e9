"""Failures, recoveries and cost never wait behind spans: neither behind many of them, nor behind a slow sink."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import islice
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

import pytest

from eventbus.wire import ATTEMPT_ENDED, GOVERNANCE_RECORDED, INCIDENT_CLOSED, LLM_CALL, SPAN_ENDED, TASK_FAILED
from orchestrator.domain.events import Delivered, Lane
from orchestrator.domain.routing import lane_of
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.flows.forwarding import Limits, Relay
from orchestrator.sinks.memory import MemorySink
from tests.events import NOON, event, record, stored
from tests.unit.orchestrator.flows.test_forwarding import Closed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.domain.events import Delivery, StoredEvent

URGENT: Final = (TASK_FAILED, ATTEMPT_ENDED, INCIDENT_CLOSED, LLM_CALL, GOVERNANCE_RECORDED)
TAKES: Final = Subscription(frozenset({*URGENT, SPAN_ENDED}))
MILLION: Final = 1_000_000
DEADLINE: Final = 60.0


class Backlog(MemoryEventLog):
    """A log in which a million spans wait before whatever is appended; they are made when they are read."""

    def read(self, lane: Lane, after: int, limit: int) -> list[StoredEvent]:
        """Give the spans as they are asked for, and what is really there behind them."""
        if lane is Lane.TELEMETRY:
            return list(islice(self._spans(after), limit))
        return [replace(each, seq=each.seq + MILLION) for each in super().read(lane, max(0, after - MILLION), limit)]

    @staticmethod
    def _spans(after: int) -> Iterator[StoredEvent]:
        span = stored(record(event(SPAN_ENDED, {})))[0]
        return (replace(span, seq=number) for number in range(after + 1, MILLION + 1))


def relay(log: MemoryEventLog, sink: MemorySink, lane: Lane) -> Relay:
    """Make a relay of a lane."""
    return Relay(log, sink, TAKES, lane, Closed(), lambda: 1, lambda: 0.0, Limits())


@pytest.mark.parametrize("kind", URGENT)
def test_what_a_person_acts_on_or_pays_for_goes_first(kind: str) -> None:
    """Behind a million spans it is in the first batch that its own lane sends."""
    log, sink = Backlog(lambda: NOON), MemorySink("s", TAKES.types)
    log.append([record(event(kind, {}))])
    spans, urgent = relay(log, sink, Lane.TELEMETRY), relay(log, sink, Lane.PRIORITY)
    now = NOON + timedelta(minutes=1)
    spans.run_once(now)
    before = len(sink.events)
    urgent.run_once(now)
    assert [each.record.type for each in sink.events[before:]] == [kind]
    assert before == Limits().events
    assert (lane_of(kind), lane_of(SPAN_ENDED)) == (Lane.PRIORITY, Lane.TELEMETRY)


class Slow(MemorySink):
    """Takes a batch of spans for as long as it is held."""

    def __init__(self) -> None:
        super().__init__("s", TAKES.types)
        self.begun, self.let_go = Event(), Event()

    def deliver(self, batch: Sequence[StoredEvent]) -> Delivery:
        """Take its time with spans."""
        if batch[0].record.lane is Lane.TELEMETRY:
            self.begun.set()
            self.let_go.wait(DEADLINE)
        self.events += batch
        return Delivered()


def test_a_sink_that_is_busy_with_spans_takes_a_failure_meanwhile() -> None:
    """The lanes have loops of their own: while one of them waits for its answer, the other delivers."""
    log, sink = MemoryEventLog(lambda: NOON), Slow()
    log.append([record(event(SPAN_ENDED, {})), record(event(TASK_FAILED, {}))])
    now = NOON + timedelta(minutes=1)
    spans = Thread(target=relay(log, sink, Lane.TELEMETRY).run_once, args=(now,))
    spans.start()
    assert sink.begun.wait(DEADLINE)
    relay(log, sink, Lane.PRIORITY).run_once(now)
    assert [each.record.type for each in sink.events] == [TASK_FAILED]
    sink.let_go.set()
    spans.join(DEADLINE)
    assert [each.record.type for each in sink.events] == [TASK_FAILED, SPAN_ENDED]
