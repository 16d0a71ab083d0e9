"""Filing: an event of the wire as a record of the log, with what routes and sampling go by beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventbus.wire import ATTEMPT_ENDED, LLM_CALL, RUDDERSTACK_MESSAGE, SPAN_ENDED, TASK_FAILED, encode_one
from orchestrator.domain.events import NO_PRICE, EventRecord, derived_key, row_key
from orchestrator.domain.routing import lane_of
from orchestrator.domain.traces import context_of

if TYPE_CHECKING:
    from uuid import UUID

    from eventbus.wire import Event
    from orchestrator.domain.events import Price

# A trace's id in hexadecimal (W3C Trace Context, section 3.2.2.3).
TRACE_DIGITS: Final = 32


def record_of(event: Event, price: Price = NO_PRICE, body: bytes | None = None) -> EventRecord:
    """File an event under its key and lane, for its organisation, in its trace; encoded here unless `body` has it."""
    organization = event.data.get("organization_id")
    return EventRecord(
        key=key_of(event),
        id=event.id,
        source=event.source,
        type=event.type,
        time=event.time,
        lane=lane_of(event.type),
        body=encode_one(event) if body is None else body,
        price=price,
        organization=organization if isinstance(organization, str) and organization else None,
        trace=trace_of(event),
        failed=tells_of_a_failure(event),
    )


def key_of(event: Event) -> UUID:
    """Give the key that an event is filed under; a messageId is one source's alone, even where it is a UUID."""
    if event.type == RUDDERSTACK_MESSAGE:
        return derived_key(event.source, event.id)
    return row_key(event.source, event.id)


def trace_of(event: Event) -> str | None:
    """Give the trace that an event is in: a span's own id of it, else that of `traceparent`; None without either."""
    own = event.data.get("trace_id")
    if isinstance(own, str) and len(own) == TRACE_DIGITS:
        return own
    given = event.extensions.get("traceparent")
    context = context_of(given) if isinstance(given, str) else None
    return context.trace_id if context else None


def tells_of_a_failure(event: Event) -> bool:
    """Tell whether something failed: a task, a try of one, a span or a model call."""
    if event.type == SPAN_ENDED:
        return event.data.get("status") == "error"
    if event.type == LLM_CALL:
        return bool(event.data.get("error"))
    return event.type == TASK_FAILED or (event.type == ATTEMPT_ENDED and event.data.get("outcome") == "failed")
