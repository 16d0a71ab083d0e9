"""Events as the orchestrator keeps them: the bytes that were accepted, where they go, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, UUID, uuid5

if TYPE_CHECKING:
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


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event of the log, with its place in it."""

    seq: int
    record: EventRecord


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


@dataclass(frozen=True, slots=True)
class Delivered:
    """The sink has the whole batch."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """The sink has none of it for sure; try the same batch again, not before `retry_after` seconds where it said so."""

    reason: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The sink refuses these events for good, by sequence number with the reason; it has the others of the batch."""

    reasons: dict[int, str]


Delivery = Delivered | Deferred | Rejected


def row_key(source: str, event_id: str) -> UUID:
    """Give the key under which every store files an event: its id where that is a UUID, else uuid5(source#id)."""
    try:
        return UUID(event_id)
    except ValueError:
        return uuid5(NAMESPACE_URL, f"{source}#{event_id}")
