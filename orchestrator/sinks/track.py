"""An event as a RudderStack `track` message, as the SDK's own builder makes it; docs/rudderstack.md shows it.

Ids and times stay as they are until orjson writes them, and what is the same in many messages is written once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from eventbus.wire import (
    ALERT_CHANGED,
    ATTEMPT_ENDED,
    ATTEMPT_RECORDED,
    AUDIT_RECORDED,
    CIRCUIT_CHANGED,
    DEPENDENCY_CHANGED,
    GOVERNANCE_RECORDED,
    INCIDENT_CLOSED,
    INCIDENT_OPENED,
    INCIDENT_PLANNED,
    LLM_CALL,
    LOADTEST_COMPLETED,
    PROMPT_SIMILARITY,
    RELEASE_ENDED,
    SPAN_ENDED,
    TASK_FAILED,
)
from orchestrator.domain.events import PricingStatus
from orchestrator.sinks.sdk import LIBRARY
from orchestrator.sinks.unfit import Unfit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.domain.events import EventRecord

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """How events of one type are tracked.

    `subjects` are the fields that may name the anonymous one, best first; `properties` is what is told of the data, all
    of it where None.
    """

    event: str
    subjects: tuple[str, ...]
    properties: Callable[[Data], Data] | None = None


def _failure(data: Data) -> Data:
    """Leave out what may hold a prompt, a secret or a person's data: the task's message, the error's text and trace."""
    exception, declaration = data.get("exception") or {}, data.get("declaration") or {}
    kept = ("failure_id", "task_id", "task", "retries", "attempt_id", "captured", "worker", "occurred_at")
    return {
        **{name: data.get(name) for name in kept},
        "exception_type": exception.get("type"),
        "exception_status": exception.get("status"),
        "dependency": declaration.get("dependency"),
        "idempotent": declaration.get("idempotent"),
    }


def _prompt(data: Data) -> Data:
    """Leave out the sketch and the vector: they are made of the prompt, and nothing there can compare them."""
    return {name: value for name, value in data.items() if name not in {"sketch", "embedding"}}


EVERYWHERE: Final = {"All": True}
CALLS: Final[Mapping[str, Call]] = {
    LLM_CALL: Call("LLM Call", ("workflow_execution_id", "request_id", "agent_id", "task_id")),
    PROMPT_SIMILARITY: Call(
        "Prompt Similarity", ("workflow_execution_id", "request_id", "agent_id", "task_id"), _prompt
    ),
    SPAN_ENDED: Call("Span Ended", ("workflow_execution_id", "request_id", "trace_id")),
    GOVERNANCE_RECORDED: Call("Governance Recorded", ("workflow_execution_id", "request_id", "agent_id", "task_id")),
    TASK_FAILED: Call("Task Failed", ("task_id",), _failure),
    INCIDENT_OPENED: Call("Incident Opened", ("incident_id",)),
    INCIDENT_PLANNED: Call("Incident Planned", ("incident_id",)),
    INCIDENT_CLOSED: Call("Incident Closed", ("incident_id",)),
    ATTEMPT_RECORDED: Call("Attempt Recorded", ("task_id",)),
    ATTEMPT_ENDED: Call("Attempt Ended", ("task_id",)),
    RELEASE_ENDED: Call("Release Ended", ("incident_id",)),
    DEPENDENCY_CHANGED: Call("Dependency Changed", ("dependency",)),
    CIRCUIT_CHANGED: Call("Circuit Changed", ("circuit",)),
    AUDIT_RECORDED: Call("Audit Recorded", ("incident_id", "dependency", "sink")),
    ALERT_CHANGED: Call("Alert Changed", ("alert_id",)),
    LOADTEST_COMPLETED: Call("Loadtest Completed", ("run_id",)),
}


def track(record: EventRecord, data: Data) -> Data:
    """Make the message of an event with this data, which it keeps; raises Unfit for a user id that is blank."""
    call = CALLS[record.type]
    user = _user(data)
    properties = data if call.properties is None else call.properties(data)
    if record.price.status is not PricingStatus.NOT_APPLICABLE:
        properties = properties | _cost(record)
    return {
        "type": "track",
        "event": call.event,
        "userId": user,
        "anonymousId": None if user else _anonymous(record, data, call),
        "messageId": record.key,
        "timestamp": record.time,
        "channel": "server",
        "integrations": EVERYWHERE,
        "context": _context(record.source, _filled(data.get("organization_id"))),
        "properties": properties,
    }


def _user(data: Data) -> str | None:
    user = data.get("user_id")
    filled = _filled(user)
    if filled is None and isinstance(user, str):
        raise Unfit("expected data.user_id with something in it, got a blank one", "data.user_id")
    return filled


def _anonymous(record: EventRecord, data: Data, call: Call) -> str:
    """Name whom the event is about: never one name for all, which would make the gateway put them in one line."""
    for field in call.subjects:
        if name := _filled(data.get(field)):
            return name
    return str(record.key)


def _filled(value: object) -> str | None:
    """Give an id as text; the gateway takes a blank one for none."""
    if isinstance(value, str):
        return value.strip() or None
    return str(value) if isinstance(value, int) else None


@lru_cache(maxsize=1024)
def _context(source: str, organisation: str | None) -> orjson.Fragment:
    """Give the context, written once for each source and organisation."""
    context: Data = {"app": {"name": "redrive", "namespace": source}, "library": LIBRARY}
    return orjson.Fragment(orjson.dumps(context | {"groupId": organisation} if organisation else context))


def _cost(record: EventRecord) -> Data:
    """Give the cost as text: a JSON number would be read as a binary float."""
    price = record.price
    return {
        "gen_ai.usage.cost.amount": None if price.usd is None else f"{price.usd:f}",
        "gen_ai.usage.cost.currency": "USD",
        "pricing_status": price.status.value,
        "pricing_version": price.version,
    }
