"""A RudderStack message as the gateway gets it: written once, and held against what the gateway would refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventbus.wire import RUDDERSTACK_MESSAGE
from orchestrator.sinks.track import CALLS, track
from orchestrator.sinks.unfit import Unfit, data_of, largest, read, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestrator.domain.events import EventRecord
    from orchestrator.sinks.parcels import Parcel

TYPES: Final = frozenset({*CALLS, RUDDERSTACK_MESSAGE})
KINDS: Final = frozenset({"alias", "group", "identify", "page", "screen", "track"})
WHO: Final = ("userId", "anonymousId")
# The gateway takes 4,096,000 bytes, uncompressed; what stands around one message is less than this.
LARGEST: Final = 4_096_000 - 200
MOST_BYTES: Final = 3_800_000
MOST_EVENTS: Final = 500
# Beyond 200 jobs of one user at once, the gateway gives up that user's order for twenty minutes.
MOST_OF_ONE: Final = 200


class Message(NamedTuple):
    """A message as JSON, and whose order it belongs in."""

    body: bytes
    who: object


def write(record: EventRecord) -> Message:
    """Write the message of an event; raises Unfit, with the field, for what the gateway would refuse."""
    data = data_of(read(record.body))
    message = _passed(data) if record.type == RUDDERSTACK_MESSAGE else track(record, data)
    body = written(message)
    if len(body) > LARGEST:
        raise Unfit(f"expected a message of at most {LARGEST} bytes, got {len(body)}", largest(data))
    return Message(body, message.get("userId") or message.get("anonymousId"))


def _passed(message: dict[str, Any]) -> dict[str, Any]:
    """Check a message that goes on as it came."""
    if str(message.get("type")) not in KINDS:
        raise Unfit(f"expected data.type as one of {', '.join(sorted(KINDS))}, got another", "data.type")
    for name in WHO:
        if not isinstance(message.get(name), str | int | float | None) or isinstance(message.get(name), bool):
            raise Unfit(f"expected a text or a number in data.{name}, got another thing", f"data.{name}")
    if not any(str(each).strip() for each in map(message.get, WHO) if each is not None):
        raise Unfit("expected data.userId or data.anonymousId with something in it, got neither", "data.userId")
    if not isinstance(message.get("context", {}), dict):
        raise Unfit("expected an object in data.context, got another thing", "data.context")
    return message


def posts(parcels: Iterable[Parcel[Message]]) -> Iterator[list[Parcel[Message]]]:
    """Cut a batch into posts by number, by bytes and by how many are one user's; what is too large goes alone."""
    post: list[Parcel[Message]] = []
    size, of_one = 0, dict[object, int]()
    for parcel in parcels:
        body, who = parcel.content
        weight, his = len(body) + 1, of_one.get(who, 0)
        if post and (len(post) == MOST_EVENTS or size + weight > MOST_BYTES or his == MOST_OF_ONE):
            yield post
            post, size, of_one, his = [], 0, {}, 0
        post.append(parcel)
        size += weight
        of_one[who] = his + 1
    if post:
        yield post
