"""A failed task's message as it is published again: what is kept, what is dropped, and where it goes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from eventbus.wire import ATTEMPT_HEADER, REDACTED_HEADER, thaw
from orchestrator.domain.edits import Edits, edited
from orchestrator.domain.eligibility import expiry_of, refuse_not_redrivable
from orchestrator.domain.errors import NotRedrivable, Unroutable
from orchestrator.domain.routes.arguments import NotReplaceable, with_kwargs
from orchestrator.domain.routes.places import home_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
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


def letter_of(
    message: TaskMessage, attempt_id: UUID, route: Route | None, now: datetime, edits: Edits | None = None
) -> Letter:
    """Make the letter for one attempt of an opened message.

    Raises NotRedrivable for one that is not whole or has expired, whose headers nobody can read, or that a person's
    edits cannot be made in; Unroutable where the route sets keyword arguments that its body cannot take: it may still
    go elsewhere. What a person gives goes before what a route sets.
    """
    message = with_arguments(message, route, edits.positions if edits else {}) if route and route.kwargs else message
    message = with_edits(message, edits) if edits and edits.values else message
    refuse_not_redrivable(message, keys_known=False)
    try:
        headers = {name: thaw(value) for name, value in message.headers.items() if not DROPPED_HEADERS.fullmatch(name)}
        properties = {name: thaw(value) for name, value in message.properties.items() if name in KEPT_PROPERTIES}
        _refuse_expired(headers, now)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise NotRedrivable(
            f"expected headers as a worker sends them, got one that cannot be read: {error!r}"
        ) from error
    place = route.place if route else None
    exchange, key = place or home_of(message)
    return Letter(
        body=message.body,
        content_type=message.content_type or NO_TYPE,
        content_encoding=message.content_encoding or NO_ENCODING,
        exchange=exchange,
        routing_key=key,
        headers=headers | _own_headers(message, attempt_id),
        properties=properties,
    )


def with_arguments(message: TaskMessage, route: Route, positions: Mapping[str, int | None]) -> TaskMessage:
    """Give a message with the route's keyword arguments in its body; raises Unroutable where it cannot take them.

    One that was passed by position, as far as `positions` tell, is replaced there: by name it would come twice.

    What its headers say of the arguments in words goes: it may hold less than they do, for somebody had it so. An
    argument that was redacted and is replaced needs nobody to fill it in any more.
    """
    try:
        known = Edits({name: value for name, value in route.kwargs.items() if name in positions}, positions)
        message = edited(message, known) if known.values else message
        others = {name: value for name, value in route.kwargs.items() if name not in positions}
        body = with_kwargs(message.body, message.content_type, message.content_encoding, message.headers, others)
    except NotReplaceable as error:
        raise Unroutable(
            f"the keyword arguments of the route {', '.join(route.kwargs)} cannot be set: {error}"
        ) from error
    headers = {name: value for name, value in message.headers.items() if name != "kwargsrepr"}
    replaced = tuple(f"kwargs.{name}." for name in route.kwargs)
    redacted = tuple(path for path in message.redacted if not f"{path}.".startswith(replaced))
    return replace(message, body=body, headers=headers, redacted=redacted)


def with_edits(message: TaskMessage, edits: Edits) -> TaskMessage:
    """Give a message with a person's edits in it; raises NotRedrivable where it cannot take them."""
    try:
        return edited(message, edits)
    except NotReplaceable as error:
        raise NotRedrivable(f"{', '.join(edits.values)} cannot be edited: {error}") from error


def _own_headers(message: TaskMessage, attempt_id: UUID) -> dict[str, Any]:
    """Name the attempt, and what the worker's resolver has to fill in."""
    to_be_filled = {REDACTED_HEADER: list(message.redacted)} if message.redacted else {}
    return {ATTEMPT_HEADER: str(attempt_id)} | to_be_filled


def in_trace(letter: Letter, traceparent: str | None) -> Letter:
    """Put a letter into a trace: what the trace it was published in said is over."""
    if traceparent is None:
        return letter
    headers = {name: value for name, value in letter.headers.items() if name != "tracestate"}
    return replace(letter, headers=headers | {"traceparent": traceparent})


def _refuse_expired(headers: Mapping[str, Any], now: datetime) -> None:
    moment = expiry_of(headers)
    if moment is not None and moment <= now:
        raise NotRedrivable(
            f"expected a task that may still run, got one that expired at {moment.isoformat()}; a worker would drop it"
        )
