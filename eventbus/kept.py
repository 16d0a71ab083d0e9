"""The message of a task as a worker keeps it until the task has ended; nothing here knows Celery.

It is kept under `redrive` in the properties that Celery passes on to the pool and reads nothing more of.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final

from eventbus.frozen import freeze, text

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY: Final = "redrive"
# Beside it: when the run began, in seconds since the epoch, and whether its failure has been reported.
BEGUN: Final = "redrive-begun"
TOLD: Final = "redrive-told"
# AMQP 0-9-1 basic properties, without the three that a message carries beside them.
PROPERTIES: Final = (
    "correlation_id",
    "reply_to",
    "priority",
    "delivery_mode",
    "expiration",
    "message_id",
    "timestamp",
    "type",
    "user_id",
    "app_id",
    "cluster_id",
)

_NAMES: Final = frozenset(PROPERTIES)
# A header that kombu's Redis transport adds to a message which it hands out again.
MARK: Final = "redelivered"


def kept(message: Any, queue: str | None) -> tuple[Any, ...]:  # noqa: ANN401 - kombu has no types
    """Take from a kombu message what its transport does not pass on: references, no copies."""
    delivery = message.delivery_info or {}
    return (
        message.body,
        message.content_type,
        message.content_encoding,
        message.headers,
        delivery.get("exchange"),
        delivery.get("routing_key"),
        queue,
    )


def whole(properties: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give the message that is kept in these properties as data of an event; None where none is."""
    if KEY not in properties:
        return None
    body, content_type, content_encoding, headers, exchange, routing_key, queue = properties[KEY]
    return {
        "body": b64encode(body_bytes(body, content_encoding)).decode(),
        "content_type": text(content_type or ""),
        "content_encoding": text(content_encoding or ""),
        "headers": freeze({name: value for name, value in (headers or {}).items() if name != MARK}),
        "properties": {name: freeze(properties[name]) for name in PROPERTIES if properties.get(name) is not None},
        "exchange": text(exchange or ""),
        "routing_key": text(routing_key or ""),
        "queue": None if queue is None else text(queue),
    }


def noted(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Give the message that is kept in these properties as a journal takes it: as it came, at the least cost."""
    body, content_type, content_encoding, headers, exchange, routing_key, queue = properties[KEY]
    return {
        "body": body if isinstance(body, bytes) else body_bytes(body, content_encoding),
        "content_type": content_type,
        "content_encoding": content_encoding,
        "headers": headers if MARK not in headers else {name: headers[name] for name in headers if name != MARK},
        "properties": {name: value for name, value in properties.items() if name in _NAMES},
        "exchange": exchange,
        "routing_key": routing_key,
        "queue": queue,
    }


def body_bytes(body: Any, content_encoding: str | None) -> bytes:  # noqa: ANN401 - as a transport hands it over
    """Give the bytes of a body; some transports hand over text."""
    if not isinstance(body, str):
        return bytes(body or b"")
    try:
        return body.encode(content_encoding or "utf-8")
    except (LookupError, UnicodeError):
        return body.encode("utf-8", "surrogatepass")
