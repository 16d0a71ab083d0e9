"""What every sink does alike: encode each event by itself, and send on around those that are refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import orjson
import structlog

from orchestrator.domain.errors import RedriveError
from orchestrator.domain.events import Deferred, Delivered, Refusal, Rejected
from orchestrator.sinks.culprits import Search

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from orchestrator.domain.events import Delivery, EventRecord, StoredEvent

T = TypeVar("T")
log = structlog.get_logger("redrive")


@dataclass(frozen=True, slots=True)
class Parcel(Generic[T]):
    """An event in the destination's own form, with its place in the log."""

    seq: int
    content: T


@dataclass(frozen=True, slots=True)
class Refused:
    """The destination took none of a batch, and would not take it again as it is.

    `too_large` is said of all of it together: of two halves both may be good.
    """

    reason: str
    too_large: bool = False


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
    """Encode each event by itself: the parcels, and what is wrong with those whose `encode` raised.

    ValueError speaks of the event, and names its `field` where it has one; another exception is a fault of ours.
    """
    parcels, refused = [], {}
    for event in batch:
        try:
            parcels.append(Parcel(event.seq, encode(event.record)))
        except ValueError as error:
            refused[event.seq] = Refusal(str(error), getattr(error, "field", None))
        except (RedriveError, MemoryError):
            raise
        except Exception as error:
            # A fault of ours that one event brings about: without this its relay would begin with it again for ever.
            log.exception("event.not_encoded", event_id=event.record.id, type=event.record.type)
            wanted = "expected an event that can be encoded, got a fault of ours"
            refused[event.seq] = Refusal(f"{wanted}: {type(error).__name__}")
    return parcels, refused


def send_apart(
    parts: Iterable[Sequence[Parcel[T]]],
    send: Callable[[list[T]], Delivered | Deferred | Refused],
    refused: dict[int, Refusal],
) -> Delivery:
    """Send the parts in order; in one that is refused, find each culprit, and send what is before and behind it.

    `refused` holds those that were not even sent. Deferred as soon as one post is, with how far it came till then.
    """
    waiting = [list(part) for part in parts]
    culprits = dict(refused)
    for place, part in enumerate(waiting):
        rest, search = part, Search(send, len(part), len(part))
        while rest:
            found = search.first_culprit(rest)
            rest = rest[found.delivered :]
            if found.deferred:
                left = [*rest, *chain(*waiting[place + 1 :])]
                return _so_far(found.deferred, left, (each.seq for each in chain(*waiting)), culprits)
            if found.refused:
                culprits[rest.pop(0).seq] = Refusal(found.refused.reason)
    return Rejected(culprits) if culprits else Delivered()


def _so_far(
    deferred: Deferred, left: Sequence[Parcel[T]], settled: Iterable[int], culprits: Mapping[int, Refusal]
) -> Deferred:
    """Say how far it came: up to the event before the first of the log's order that is left."""
    first = min(parcel.seq for parcel in left)
    upto = max((seq for seq in chain(settled, culprits) if seq < first), default=None)
    refusals = {seq: refusal for seq, refusal in culprits.items() if seq < first}
    return replace(deferred, upto=upto, refusals=refusals)
