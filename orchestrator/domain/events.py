"""Events as the orchestrator keeps them: the bytes that were accepted, where they go, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from uuid import NAMESPACE_URL, UUID, uuid5

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal


class Lane(StrEnum):
    """What waits behind what: failures, recoveries and cost never wait behind spans."""

    PRIORITY = "priority"
    TELEMETRY = "telemetry"


class PricingStatus(StrEnum):
    """Whether an event has a price."""

    PRICED = "priced"
    MISSING = "missing"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, slots=True)
class Price:
    """What one call cost, in USD, and by which price list; `usd` is None where the model is unknown, never 0."""

    status: PricingStatus
    usd: Decimal | None = None
    version: str | None = None


NO_PRICE = Price(PricingStatus.NOT_APPLICABLE)


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event on its way into the log: `body` is its structured CloudEvents JSON."""

    key: UUID
    id: str
    source: str
    type: str
    time: datetime
    lane: Lane
    body: bytes
    price: Price = NO_PRICE
    # What routes and sampling go by: who the event belongs to, its trace, and whether it tells that something failed.
    organization: str | None = None
    trace: str | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event of the log, with its place in it and the moment at which it was accepted, by the server's clock."""

    seq: int
    record: EventRecord
    accepted_at: datetime


# More bytes than any log holds.
UNBOUNDED_BYTES: Final = 2**62


@dataclass(frozen=True, slots=True)
class Stretch:
    """The next `number` events of a lane, up to the place `last`, of which it holds those of some types.

    It was `cut` where its events have so many bytes that no more were read.
    """

    events: Sequence[StoredEvent]
    last: int
    number: int
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a batch that was handed to the log."""

    new: int
    duplicate: int


@dataclass(frozen=True, slots=True)
class SinkCounts:
    """Guarantee 2 as numbers: accepted = filtered + sampled_out + routed; routed = delivered + pending + dead."""

    accepted: int
    filtered: int
    sampled_out: int
    routed: int
    delivered: int
    pending: int
    dead: int

    @property
    def adds_up(self) -> bool:
        """Tell whether no event is missing and none is counted twice."""
        return self.accepted == self.filtered + self.sampled_out + self.routed and self.routed == (
            self.delivered + self.pending + self.dead
        )

    @property
    def unaccounted(self) -> int:
        """Count what the two sums are off by: 0 as long as they add up."""
        first = self.accepted - self.filtered - self.sampled_out - self.routed
        return abs(first) + abs(self.routed - self.delivered - self.pending - self.dead)


@dataclass(frozen=True, slots=True)
class HourCounts:
    """What became of the events that were accepted in the hour that begins at `hour`, for one sink."""

    hour: datetime
    counts: SinkCounts


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an event will not be tried again: the reason, and the field of it that is wrong, where one is."""

    reason: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that a sink refused for good, whole, with why, when, and how often it had been tried."""

    event: StoredEvent
    refusal: Refusal
    attempts: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sink answered to one batch: the events from `first` to `last` of a lane. `outcome` is its name."""

    sink: str
    lane: Lane
    first: int
    last: int
    outcome: str
    detail: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Passed:
    """What a cursor passes without a delivery: events refused for good, and spans that were sampled out.

    `attempts` is how often the batch had been handed over; `at` the moment of the answer.
    """

    at: datetime
    refusals: Mapping[int, Refusal] = field(default_factory=dict)
    sampled_out: frozenset[int] = frozenset()
    attempts: int = 1


class Outcome(StrEnum):
    """What an answer says of the sink it came from: this is what its circuit breaker counts.

    FAILURE: no answer, a time-out, a fault of its own (5xx, 408). THROTTLE: it asks for less (429). CONFIG: our key or
    address is wrong, or its source is off (401, 403, 404): a person mends that. NEUTRAL: nothing (a bad event, a
    cancelled call, a circuit that is open).
    """

    SUCCESS = "success"
    FAILURE = "failure"
    THROTTLE = "throttle"
    CONFIG = "config"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The sink has the whole batch."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """The sink has not settled all of it; the rest goes again, not before `retry_after` seconds where it said so.

    NEUTRAL means that the sink was not even asked: its circuit is open. Where a part of the batch is settled, that is
    what comes up to the event `upto`, which the sink has but for `refusals`; None: it has none of it for sure.
    """

    reason: str
    retry_after: float | None = None
    outcome: Outcome = Outcome.FAILURE
    upto: int | None = None
    refusals: Mapping[int, Refusal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rejected:
    """The sink refuses these events for good, by sequence number with the reason; it has the others of the batch."""

    refusals: dict[int, Refusal]


Delivery = Delivered | Deferred | Rejected


def row_key(source: str, event_id: str) -> UUID:
    """Give the key under which stores file an event: its id where that is a UUID, else uuid5(source#id)."""
    try:
        return UUID(event_id)
    except ValueError:
        return derived_key(source, event_id)


def derived_key(source: str, event_id: str) -> UUID:
    """Give uuid5(source#id), for an id that is one source's alone."""
    return uuid5(NAMESPACE_URL, f"{source}#{event_id}")
