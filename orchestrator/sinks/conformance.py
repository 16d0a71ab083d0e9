"""What every sink must do, as checks that pytest runs; nothing here imports pytest.

A test file of yours subclasses `SinkConformance`, and has a fixture `destination` that gives a `Destination`: your sink
and what is behind it. docs/sinks.md shows one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from eventbus.wire import LLM_CALL, Event, encode_one
from orchestrator.domain.events import (
    Deferred,
    Delivered,
    EventRecord,
    Lane,
    Price,
    PricingStatus,
    Rejected,
    StoredEvent,
    row_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.domain.ports import Sink

NOON: Final = datetime(2025, 11, 20, 12, tzinfo=UTC)
PRICED: Final = Price(PricingStatus.PRICED, Decimal("0.0007500000"), "a price list")
POISON: Final = 3


class Destination(ABC):
    """A sink and what is behind it: what arrived there, and how it can be made to fail."""

    sink: Sink

    @abstractmethod
    def arrived(self) -> list[str]:
        """List the keys of the events that arrived, one that arrived twice twice."""

    @abstractmethod
    def fail(self) -> None:
        """Make the destination fail from now on, as if it were away."""

    @abstractmethod
    def mend(self) -> None:
        """Make it work again."""

    def sample(self, number: int) -> EventRecord:
        """Make an event that the sink takes; a model call."""
        data = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 100 + number,
            "gen_ai.usage.output_tokens": 50,
            "duration_seconds": 1.5,
            "request_id": f"request-{number}",
        }
        return record_of(Event(str(uuid4()), "urn:redrive:conformance", LLM_CALL, NOON, data), PRICED)

    def refuse(self, record: EventRecord, seq: int) -> EventRecord:  # noqa: ARG002 - for destinations that are told
        """Make of a record one that the destination refuses for good; bytes that are no event, unless it is said."""
        return replace(record, body=b"{")


def record_of(event: Event, price: Price) -> EventRecord:
    """File an event as the log does."""
    key = row_key(event.source, event.id)
    return EventRecord(
        key, event.id, event.source, event.type, event.time, Lane.TELEMETRY, encode_one(event), price=price
    )


class SinkConformance:
    """The checks. Each begins with a destination at which nothing has arrived."""

    def test_it_says_what_it_takes(self, destination: Destination) -> None:
        """Have a name, and a frozenset of types with the sample's in it."""
        sink = destination.sink
        _expect(bool(sink.name), f"expected a name, got {sink.name!r}")
        _expect(isinstance(sink.types, frozenset), f"expected types as a frozenset, got {type(sink.types).__name__}")
        kind = destination.sample(0).type
        _expect(kind in sink.types, f"expected {kind} among the types")

    def test_a_delivered_batch_has_arrived(self, destination: Destination) -> None:
        """Answer Delivered once every event of the batch is there, under its key."""
        given = [destination.sample(number) for number in range(5)]
        _expect_delivered(destination.sink.deliver(stored(given)))
        _expect_arrived(destination, given)

    def test_nothing_to_deliver_is_delivered(self, destination: Destination) -> None:
        """Take a batch without events."""
        _expect_delivered(destination.sink.deliver([]))
        _expect_arrived(destination, [])

    def test_the_same_batch_again_brings_no_new_key(self, destination: Destination) -> None:
        """Deliver a batch that is repeated after a crash under the same keys."""
        given = [destination.sample(number) for number in range(3)]
        for _ in range(2):
            _expect_delivered(destination.sink.deliver(stored(given)))
        _expect_keys(sorted(set(destination.arrived())), given)

    def test_one_poison_event_is_rejected_alone(self, destination: Destination) -> None:
        """Name the culprit by its number with a reason, and deliver the others of its batch."""
        good = [destination.sample(number) for number in range(4)]
        poison = destination.refuse(destination.sample(4), POISON)
        self._reject_alone(destination, good, poison)

    def test_bytes_that_are_no_event_are_rejected_alone(self, destination: Destination) -> None:
        """Reject a record that cannot be read, whatever the destination would have said to it."""
        good = [destination.sample(number) for number in range(4)]
        poison = destination.refuse(destination.sample(4), POISON)
        self._reject_alone(destination, good, replace(poison, body=b"\xff{"))

    def test_a_batch_of_poison_alone_is_rejected(self, destination: Destination) -> None:
        """Reject the only event of a batch."""
        poison = destination.refuse(destination.sample(0), POISON)
        answer = destination.sink.deliver(stored([poison], first=POISON))
        _expect_poison(answer)
        _expect_arrived(destination, [])

    def test_a_destination_that_fails_defers_the_batch(self, destination: Destination) -> None:
        """Answer Deferred with a reason, raise nothing, and deliver the batch once the destination is back."""
        given = [destination.sample(number) for number in range(3)]
        destination.fail()
        answer = destination.sink.deliver(stored(given))
        _expect(isinstance(answer, Deferred) and bool(answer.reason), f"expected Deferred with a reason, got {answer}")
        destination.mend()
        _expect_delivered(destination.sink.deliver(stored(given)))
        _expect_keys(sorted(set(destination.arrived())), given)

    def test_two_lanes_deliver_at_once(self, destination: Destination) -> None:
        """Take batches from two threads at the same time: each lane of the log has a relay of its own."""
        lanes = [[destination.sample(number) for number in range(begin, begin + 40)] for begin in (0, 40)]
        with ThreadPoolExecutor(2) as pool:
            for answers in pool.map(lambda lane: _one_by_one(destination.sink, lane), lanes):
                _expect(answers == [Delivered()] * 4, f"expected Delivered four times, got {answers}")
        _expect_arrived(destination, [each for lane in lanes for each in lane])

    def _reject_alone(self, destination: Destination, good: list[EventRecord], poison: EventRecord) -> None:
        answer = destination.sink.deliver(stored([*good[:2], poison, *good[2:]]))
        _expect_poison(answer)
        _expect_arrived(destination, good)


def stored(records: Iterable[EventRecord], first: int = 1) -> list[StoredEvent]:
    """Give records numbers, as the log does."""
    return [StoredEvent(number, each, NOON) for number, each in enumerate(records, start=first)]


def _one_by_one(sink: Sink, records: list[EventRecord]) -> list[object]:
    return [sink.deliver(stored(records[begin : begin + 10])) for begin in range(0, len(records), 10)]


def _expect_delivered(answer: object) -> None:
    _expect(answer == Delivered(), f"expected Delivered, got {answer}")


def _expect_poison(answer: object) -> None:
    refusals = answer.refusals if isinstance(answer, Rejected) else None
    _expect(refusals is not None and list(refusals) == [POISON], f"expected number {POISON} rejected, got {answer}")
    _expect(bool(refusals and refusals[POISON].reason), "expected a reason, got none")


def _expect_arrived(destination: Destination, given: Iterable[EventRecord]) -> None:
    _expect_keys(sorted(destination.arrived()), given)


def _expect_keys(arrived: list[str], given: Iterable[EventRecord]) -> None:
    wanted = sorted(str(each.key) for each in given)
    _expect(arrived == wanted, f"expected these keys to have arrived: {wanted}, got {arrived}")


def _expect(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - what holds is what is checked
    if not holds:
        raise AssertionError(otherwise)
