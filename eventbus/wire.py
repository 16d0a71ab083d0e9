"""The one contract between the workers and the orchestrator: CloudEvents 1.0, a JSON array of them in each bus message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

import orjson

TASK_FAILED: Final = "redrive.task.failed.v1"
TASK_OUTCOMES: Final = "redrive.task.outcomes.v1"
ATTEMPT_ENDED: Final = "redrive.attempt.ended.v1"
LLM_CALL: Final = "redrive.llm.call.v1"
INCIDENT_OPENED: Final = "redrive.incident.opened.v1"
INCIDENT_PLANNED: Final = "redrive.incident.planned.v1"
INCIDENT_CLOSED: Final = "redrive.incident.closed.v1"
ATTEMPT_RECORDED: Final = "redrive.attempt.recorded.v1"
RELEASE_ENDED: Final = "redrive.release.ended.v1"
COMMAND_RECORDED: Final = "redrive.command.recorded.v1"

CONTENT_TYPE: Final = "application/cloudevents-batch+json"
ATTEMPT_HEADER: Final = "redrive-attempt"

# The namespace of every id that Redrive derives from others (RFC 9562, section 5.5).
NAMESPACE: Final = UUID("5b1c0a52-52f5-5d0a-9a51-6d7c1f0f6a10")


class WireError(ValueError):
    """A bus message or an event that breaks the contract: says what was expected and what came."""


@dataclass(frozen=True, slots=True)
class Event:
    """One immutable CloudEvents 1.0 record, unique by (source, id); `time` carries an offset."""

    id: str
    source: str
    type: str
    time: datetime
    data: Mapping[str, Any]
    subject: str | None = None
    dataschema: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)


def failure_id(task_id: str, retries: int, attempt_id: str | None) -> UUID:
    """Name one run of a task: the same run seen twice, from child and parent, has the same id."""
    return uuid5(NAMESPACE, f"{task_id}/{retries}/{attempt_id or 'none'}")


def to_mapping(event: Event) -> dict[str, Any]:
    """Give the structured JSON form of an event (CloudEvents JSON format 1.0, section 3)."""
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": event.time.isoformat(),
        "datacontenttype": "application/json",
        **event.extensions,
        "data": dict(event.data),
    }
    if event.subject is not None:
        envelope["subject"] = event.subject
    if event.dataschema is not None:
        envelope["dataschema"] = event.dataschema
    return envelope


def encode_one(event: Event) -> bytes:
    """Encode one event in structured mode."""
    return orjson.dumps(to_mapping(event))


def encode(events: Sequence[Event]) -> bytes:
    """Encode a batch of events as one bus message body."""
    return orjson.dumps([to_mapping(event) for event in events])


def decode(body: bytes) -> list[Event]:
    """Decode one bus message body; raises WireError when it is not a batch of events."""
    try:
        batch = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise WireError(f"expected a JSON array of CloudEvents, got bytes that are not JSON: {error}") from error
    if not isinstance(batch, list):
        raise WireError(f"expected a JSON array of CloudEvents, got {type(batch).__name__}")
    return [from_mapping(each) for each in batch]


_KNOWN: Final = frozenset(
    {"specversion", "id", "source", "type", "time", "datacontenttype", "data", "subject", "dataschema"}
)


def from_mapping(envelope: Mapping[str, Any]) -> Event:
    """Read the structured JSON form of one event; raises WireError naming the field that is wrong."""
    try:
        return Event(
            id=envelope["id"],
            source=envelope["source"],
            type=envelope["type"],
            time=datetime.fromisoformat(envelope["time"]),
            data=envelope["data"],
            subject=envelope.get("subject"),
            dataschema=envelope.get("dataschema"),
            extensions={key: value for key, value in envelope.items() if key not in _KNOWN},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WireError(f"expected a CloudEvents 1.0 record, got one with a missing or malformed field: {error}") from error
