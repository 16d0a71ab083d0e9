"""What every sink does alike: encode each event by itself, and find the one that makes a destination refuse a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import orjson

from orchestrator.domain.events import Deferred, Delivered, Refusal, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from orchestrator.domain.events import Delivery, EventRecord, StoredEvent

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parcel(Generic[T]):
    """An event in the destination's own form, with its place in the log."""

    seq: int
    content: T


@dataclass(frozen=True, slots=True)
class Refused:
    """The destination took none of a batch, and would not take it again as it is."""

    reason: str


def data_of(record: EventRecord) -> dict[str, Any]:
    """Read the data of an event; raises ValueError when its bytes hold none."""
    return data_in(envelope_of(record))


def envelope_of(record: EventRecord) -> dict[str, Any]:
    """Read an event whole; raises ValueError when its bytes are none."""
    envelope = orjson.loads(record.body)
    if not isinstance(envelope, dict):
        raise ValueError(f"expected an object, got {type(envelope).__name__}")  # noqa: TRY004 - bad bytes, not a bad call
    return envelope


def data_in(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """Give the data of an event; raises ValueError when there is none."""
    data = envelope.get("data")
    if not isinstance(data, dict):
        raise ValueError(f"expected an object in data, got {type(data).__name__}")  # noqa: TRY004 - bad bytes, not a bad call
    return data


def pack(
    batch: Iterable[StoredEvent], encode: Callable[[EventRecord], T]
) -> tuple[list[Parcel[T]], dict[int, Refusal]]:
    """Encode each event by itself: the parcels, and what is wrong with those whose `encode` raised ValueError."""
    parcels, refused = [], {}
    for event in batch:
        try:
            parcels.append(Parcel(event.seq, encode(event.record)))
        except ValueError as error:
            refused[event.seq] = Refusal(str(error), getattr(error, "field", None))
    return parcels, refused


def send_apart(
    parts: Iterable[Sequence[Parcel[T]]],
    send: Callable[[list[T]], Delivered | Deferred | Refused],
    refused: dict[int, Refusal],
) -> Delivery:
    """Send the parts in order; halve one that is refused until each culprit has been refused alone.

    `refused` holds those that were not even sent. Deferred as soon as one part is: what went before goes again.
    """
    waiting, culprits = [part for part in parts if part][::-1], dict(refused)
    while waiting:
        part = waiting.pop()
        answer = send([parcel.content for parcel in part])
        if isinstance(answer, Deferred):
            return answer
        if isinstance(answer, Refused):
            if len(part) == 1:
                culprits[part[0].seq] = Refusal(answer.reason)
            else:
                waiting += [part[len(part) // 2 :], part[: len(part) // 2]]
    return Rejected(culprits) if culprits else Delivered()
