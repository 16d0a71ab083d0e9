"""A failed task's message as it is published again: what is kept, what is dropped, and where it goes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from eventbus.wire import ATTEMPT_HEADER, thaw
from orchestrator.domain.errors import Unroutable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from orchestrator.domain.failures import TaskMessage
    from orchestrator.domain.plan import Route

# `eta` is over; the others tell of the message's way through the broker so far.
DROPPED_HEADERS: Final = re.compile(r"eta|x-death|x-(?:first|last)-death-\w+|x-delivery-count|x-acquired-count")
# Not `expiration`, which kombu reads in another unit, nor `user_id`, which a broker checks against who publishes.
KEPT_PROPERTIES: Final = frozenset(
    {"correlation_id", "reply_to", "priority", "delivery_mode", "message_id", "timestamp", "type", "app_id"}
)
# What kombu takes a message without them for; given none, it would encode the body once more.
NO_TYPE: Final = "application/data"
NO_ENCODING: Final = "binary"
# Celery's native delayed delivery puts 28 binary digits before the routing key.
DELAY_PREFIX: Final = re.compile(r"^(?:[01]\.){28}")


@dataclass(frozen=True, slots=True)
class Letter:
    """What is handed to the broker: `headers` name the attempt, `properties` are those of AMQP."""

    body: bytes
    content_type: str
    content_encoding: str
    exchange: str
    routing_key: str
    headers: Mapping[str, Any]
    properties: Mapping[str, Any]


def letter_of(message: TaskMessage, attempt_id: UUID, route: Route | None, now: datetime) -> Letter:
    """Make the letter for one attempt; raises Unroutable for a task that has expired, or headers nobody can read."""
    try:
        headers = {name: thaw(value) for name, value in message.headers.items() if not DROPPED_HEADERS.fullmatch(name)}
        properties = {name: thaw(value) for name, value in message.properties.items() if name in KEPT_PROPERTIES}
        _refuse_expired(headers.get("expires"), now)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise Unroutable(f"expected headers as a worker sends them, got one that cannot be read: {error!r}") from error
    exchange, key = ("", route.queue) if route else (message.exchange, DELAY_PREFIX.sub("", message.routing_key))
    return Letter(
        body=message.body,
        content_type=message.content_type or NO_TYPE,
        content_encoding=message.content_encoding or NO_ENCODING,
        exchange=exchange,
        routing_key=key,
        headers=headers | {ATTEMPT_HEADER: str(attempt_id)},
        properties=properties,
    )


def _refuse_expired(expires: object, now: datetime) -> None:
    if expires is None:
        return
    moment = expires if isinstance(expires, datetime) else datetime.fromisoformat(str(expires))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment <= now:
        raise Unroutable(
            f"expected a task that may still run, got one that expired at {expires}; a worker would drop it"
        )
