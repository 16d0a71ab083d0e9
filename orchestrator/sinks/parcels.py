"""What every sink does alike: encode each event by itself, and find the one that makes a destination refuse a batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import orjson
import structlog

from orchestrator.domain.errors import RedriveError
from orchestrator.domain.events import Deferred, Delivered, Refusal, Rejected

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
        rest, search = part, _Search(send, len(part), len(part))
        while rest:
            found = search.first_culprit(rest)
            rest = rest[found.delivered :]
            if found.deferred:
                left = [*rest, *chain(*waiting[place + 1 :])]
                return _so_far(found.deferred, left, (each.seq for each in chain(*waiting)), culprits)
            if found.refused:
                culprits[rest.pop(0).seq] = Refusal(found.refused.reason)
    return Rejected(culprits) if culprits else Delivered()


@dataclass(frozen=True, slots=True)
class _Found:
    """So many were delivered; then the next was refused, or the post with it deferred, or none is left."""

    delivered: int
    refused: Refused | None = None
    deferred: Deferred | None = None


@dataclass(slots=True)
class _Search(Generic[T]):
    """Looks for culprits in one part. `most` go at once: fewer where culprits are many, or `ceiling` is lower."""

    send: Callable[[list[T]], Delivered | Deferred | Refused]
    ceiling: int
    most: int
    in_a_row: int = 0

    def first_culprit(self, part: Sequence[Parcel[T]]) -> _Found:
        """Send all at once; if that is refused, halves of what holds the first culprit, until it stands alone.

        Where the first half is taken, the culprit is in the second, which is not asked whole again: a culprit among n
        costs one post for each time that n can be halved, and one for what is behind it. A post that was too large has
        no culprit in it for sure, unless it held one alone: half as much goes at once from then on.
        """
        begin, end = 0, len(part)
        refused = None
        while begin < end:
            asked = min(begin + self.most, end if refused is None else (begin + end) // 2)
            answer = self.send([parcel.content for parcel in part[begin:asked]])
            if isinstance(answer, Deferred):
                return _Found(begin, deferred=answer)
            if isinstance(answer, Delivered):
                begin = asked
                self._note_delivered()
            elif answer.too_large and asked - begin > 1:
                self.ceiling = self.most = (asked - begin) // 2
            else:
                refused, end = answer, asked
            if refused and end - begin == 1:
                self._note_culprit()
                return _Found(begin, refused)
        return _Found(begin)

    def _note_delivered(self) -> None:
        self.in_a_row = 0
        self.most = min(self.ceiling, self.most * 2)

    def _note_culprit(self) -> None:
        """Where one culprit follows the other, the next post is half as large: else each would cost a whole search."""
        self.in_a_row += 1
        if self.in_a_row > 1:
            self.most = max(1, self.most // 2)


def _so_far(
    deferred: Deferred, left: Sequence[Parcel[T]], settled: Iterable[int], culprits: Mapping[int, Refusal]
) -> Deferred:
    """Say how far it came: up to the event before the first of the log's order that is left."""
    first = min(parcel.seq for parcel in left)
    upto = max((seq for seq in chain(settled, culprits) if seq < first), default=None)
    refusals = {seq: refusal for seq, refusal in culprits.items() if seq < first}
    return replace(deferred, upto=upto, refusals=refusals)
