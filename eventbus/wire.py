"""The one contract of workers and orchestrator: CloudEvents 1.0, a JSON array of them in each bus message."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from typing import Any, Final

import orjson

from eventbus.frozen import freeze, thaw
from eventbus.identity import NAMESPACE, failure_id, message_failure_id, time_ordered
from eventbus.vocabulary import (
    ALERT_CHANGED,
    ATTEMPT_ENDED,
    ATTEMPT_HEADER,
    ATTEMPT_RECORDED,
    AUDIT_RECORDED,
    CIRCUIT_CHANGED,
    COMMAND_RECORDED,
    CONTENT_TYPE,
    CONTEXT_HEADER,
    DEPENDENCY_CHANGED,
    GOVERNANCE_RECORDED,
    IDENTIFIERS,
    INCIDENT_CLOSED,
    INCIDENT_OPENED,
    INCIDENT_PLANNED,
    LLM_CALL,
    LOADTEST_COMPLETED,
    OWN_TYPES,
    PROMPT_SIMILARITY,
    REDACTED_HEADER,
    REDELIVERY_ENDED,
    RELEASE_ENDED,
    RUDDERSTACK_MESSAGE,
    SPAN_ENDED,
    SPEC_VERSION,
    TASK_FAILED,
    TASK_OUTCOMES,
    TOKEN_CLASSES,
    TYPES,
    WORKER_SEEN,
)

# Of eventbus the orchestrator sees this module, topology and transport.
__all__ = [
    "ALERT_CHANGED",
    "ATTEMPT_ENDED",
    "ATTEMPT_HEADER",
    "ATTEMPT_RECORDED",
    "AUDIT_RECORDED",
    "CIRCUIT_CHANGED",
    "COMMAND_RECORDED",
    "CONTENT_TYPE",
    "CONTEXT_HEADER",
    "DEPENDENCY_CHANGED",
    "GOVERNANCE_RECORDED",
    "IDENTIFIERS",
    "INCIDENT_CLOSED",
    "INCIDENT_OPENED",
    "INCIDENT_PLANNED",
    "LLM_CALL",
    "LOADTEST_COMPLETED",
    "NAMESPACE",
    "OWN_TYPES",
    "PROMPT_SIMILARITY",
    "REDACTED_HEADER",
    "REDELIVERY_ENDED",
    "RELEASE_ENDED",
    "RUDDERSTACK_MESSAGE",
    "SPAN_ENDED",
    "SPEC_VERSION",
    "TASK_FAILED",
    "TASK_OUTCOMES",
    "TOKEN_CLASSES",
    "TYPES",
    "WORKER_SEEN",
    "Event",
    "WireError",
    "check_finite",
    "decode",
    "encode",
    "encode_one",
    "failure_id",
    "freeze",
    "from_mapping",
    "join",
    "message_failure_id",
    "schema_text",
    "schema_urn",
    "thaw",
    "time_ordered",
    "to_mapping",
]


class WireError(ValueError):
    """A bus message or an event that breaks the contract: says what was expected and what came."""


@dataclass(frozen=True, slots=True)
class Event:
    """One immutable CloudEvents 1.0 record, unique by (source, id); `time` carries an offset.

    `dataschema` of a type that Redrive makes is filled in where it is not given.
    """

    id: str
    source: str
    type: str
    time: datetime
    data: Mapping[str, Any]
    subject: str | None = None
    dataschema: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Name the schema of our own types."""
        if self.dataschema is None and self.type in TYPES:
            object.__setattr__(self, "dataschema", schema_urn(self.type))


def schema_urn(event_type: str) -> str:
    """Give the identifier under which the JSON Schema of a type's data is known."""
    return f"urn:redrive:schema:{event_type}"


def schema_text(event_type: str) -> bytes:
    """Read the committed JSON Schema (draft 2020-12) of a type's data; raises WireError for a type that has none."""
    if event_type not in TYPES:
        raise WireError(f"expected one of {', '.join(sorted(TYPES))}, got {event_type!r}")
    return resources.files("eventbus").joinpath("schemas", f"{event_type}.json").read_bytes()


def to_mapping(event: Event) -> dict[str, Any]:
    """Give the structured JSON form of an event (CloudEvents JSON format 1.0, section 3).

    Raises WireError naming the field that CloudEvents or JSON can't hold.
    """
    envelope: dict[str, Any] = {
        "specversion": SPEC_VERSION,
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": event.time.isoformat(),
        "datacontenttype": "application/json",
        "data": event.data,
    }
    if event.subject is not None:
        envelope["subject"] = event.subject
    if event.dataschema is not None:
        envelope["dataschema"] = event.dataschema
    if clash := event.extensions.keys() & _KNOWN:
        raise WireError(f"expected extensions beside the context attributes, got {sorted(clash)} again")
    envelope |= event.extensions
    _check_envelope(envelope, event.time)
    check_finite(event.data, "data")
    return envelope | {"data": dict(event.data)}


def encode_one(event: Event) -> bytes:
    """Encode one event in structured mode; raises WireError like `to_mapping`."""
    try:
        return orjson.dumps(to_mapping(event))
    except (TypeError, RecursionError) as error:
        raise WireError(f"expected data that JSON can hold in an event of {event.type}, got: {error}") from error


def encode(events: Sequence[Event]) -> bytes:
    """Encode a batch of events as one bus message body; raises WireError like `encode_one`."""
    return join([encode_one(event) for event in events])


def join(encoded: Sequence[bytes]) -> bytes:
    """Make one bus message body of events that are encoded already."""
    return b"[" + b",".join(encoded) + b"]"


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
# A dict first: Mapping is an abstract base class, which takes several times as long to ask.
_OBJECT: Final = (dict, Mapping)
_EXTENSION_NAME: Final = re.compile(r"[a-z0-9]+")


def from_mapping(envelope: Mapping[str, Any]) -> Event:
    """Read the structured JSON form of one event; raises WireError naming the field that is wrong."""
    if not isinstance(envelope, _OBJECT):
        raise WireError(f"expected a CloudEvents record as a JSON object, got {type(envelope).__name__}")
    time = _read_time(envelope.get("time"))
    _check_envelope(envelope, time)
    return Event(
        id=envelope["id"],
        source=envelope["source"],
        type=envelope["type"],
        time=time,
        data=envelope["data"],
        subject=envelope.get("subject"),
        dataschema=envelope.get("dataschema"),
        extensions={key: value for key, value in envelope.items() if key not in _KNOWN},
    )


def _read_time(value: object) -> datetime:
    try:
        return datetime.fromisoformat(value)  # type: ignore[arg-type]  # what is no text is refused on the next line
    except (TypeError, ValueError) as error:
        raise WireError(f"expected `time` as RFC 3339 with an offset, got {value!r}") from error


def _check_envelope(envelope: Mapping[str, Any], time: datetime) -> None:
    """Refuse what CloudEvents 1.0 forbids (section 3, context attributes) and data that is no JSON object."""
    if envelope.get("specversion") != SPEC_VERSION:
        raise WireError(f"expected `specversion` '{SPEC_VERSION}', got {envelope.get('specversion')!r}")
    for name in ("id", "source", "type"):
        _expect_text(name, envelope.get(name))
    for name in ("subject", "dataschema"):
        if envelope.get(name) is not None:
            _expect_text(name, envelope[name])
    if time.tzinfo is None:
        raise WireError(f"expected `time` with an offset from UTC, got {time.isoformat()!r}")
    if envelope.get("datacontenttype", "application/json") != "application/json":
        raise WireError(f"expected `datacontenttype` 'application/json', got {envelope['datacontenttype']!r}")
    if not isinstance(envelope.get("data"), _OBJECT):
        raise WireError(f"expected `data` as a JSON object, got {type(envelope.get('data')).__name__}")
    for name in envelope.keys() - _KNOWN:
        if not isinstance(name, str) or not _EXTENSION_NAME.fullmatch(name):
            raise WireError(f"expected an extension's name of a-z and 0-9 only, got {name!r}")


def _expect_text(name: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise WireError(f"expected `{name}` as text that is not empty, got {value!r}")


# What most fields hold, and what holds no number that JSON cannot.
_PLAIN: Final = (str, int, type(None))


def check_finite(value: object, path: str) -> None:
    """Refuse NaN and Infinity, which the JSON encoder would silently turn into null."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise WireError(f"expected a finite number in `{path}`, got {value}")
    elif isinstance(value, _OBJECT):
        for key, each in value.items():
            if not isinstance(each, _PLAIN):
                check_finite(each, f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, each in enumerate(value):
            if not isinstance(each, _PLAIN):
                check_finite(each, f"{path}[{index}]")
