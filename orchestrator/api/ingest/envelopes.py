"""CloudEvents over HTTP (HTTP binding 1.0.2): structured, in batches, and binary; each event becomes an arrival."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import orjson

from eventbus.wire import TYPES, Event, schema_urn
from orchestrator.api.ingest.bodies import Unreadable, parsed
from orchestrator.api.ingest.checking import (
    JSON,
    MEMBERS,
    MOST_FAULTS,
    TOO_DEEP,
    data_faults,
    envelope_faults,
    is_json,
    moment_of,
)
from orchestrator.api.ingest.faults import Fault, shown, unfit
from orchestrator.flows.accepting import Arrival

if TYPE_CHECKING:
    from datetime import datetime

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
PREFIX: Final = "ce-"
MOST_EVENTS: Final = 10_000
Faults = list[Fault]


@dataclass(frozen=True, slots=True)
class Came:
    """What came in one request: events in their JSON form; `suspect` ones may hold what JSON cannot."""

    envelopes: list[Any]
    suspect: bool = False
    batch: bool = False


def came(headers: Mapping[str, str], body: bytes) -> Came:
    """Read a request in whichever mode it is; raises Unreadable where nothing can be told of its events."""
    content_type = headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == STRUCTURED:
        envelope, suspect = parsed(body)
        return Came([envelope], suspect)
    if kind == BATCH:
        return _batch(body)
    if f"{PREFIX}specversion" in headers and not kind.startswith("application/cloudevents"):
        return _binary(headers, content_type, body)
    expected = f"Content-Type {STRUCTURED} or {BATCH}, or the headers of an event ({PREFIX}specversion and others)"
    raise Unreadable(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, expected, shown(content_type))


def _batch(body: bytes) -> Came:
    found, suspect = parsed(body)
    if not isinstance(found, list):
        raise Unreadable(HTTPStatus.BAD_REQUEST, "a JSON array of events", shown(found))
    if len(found) > MOST_EVENTS:
        raise Unreadable(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MOST_EVENTS} events", str(len(found)))
    return Came(found, suspect, batch=True)


def _binary(headers: Mapping[str, str], content_type: str, body: bytes) -> Came:
    named = {name: value for name, value in headers.items() if name.startswith(PREFIX)}
    envelope: dict[str, Any] = {name.removeprefix(PREFIX): _decoded(value) for name, value in named.items()}
    if content_type:
        envelope["datacontenttype"] = content_type
    if not body:
        return Came([envelope])
    if not is_json(content_type):
        return Came([envelope | {"data_base64": b64encode(body).decode()}])
    envelope["data"], suspect = parsed(body)
    return Came([envelope], suspect)


def _decoded(value: str) -> str:
    """Undo quotes, then percent-encoding (section 3.1.3.2); what is no UTF-8 stays as it came."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        return value


def arrival_of(envelope: object, now: datetime, *, suspect: bool) -> Arrival | Faults:
    """Give the event of an envelope, or what is wrong with it."""
    if not isinstance(envelope, dict):
        return [Fault("", "an event as a JSON object", shown(envelope))]
    said = {name: value for name, value in envelope.items() if value is not None or name == "data"}
    try:
        faults = list(islice(unfit(said), MOST_FAULTS)) if suspect else []
    except RecursionError:
        faults = [TOO_DEEP]
    faults = faults or list(envelope_faults(said)) or list(data_faults(said["type"], said))
    if faults:
        return faults[:MOST_FAULTS]
    if said["type"] in TYPES:
        return _arrival({"dataschema": schema_urn(said["type"])} | said | OURS)
    return _arrival(said if "time" in said else said | {"time": now.isoformat()})


OURS: Final = {"datacontenttype": JSON}


def _arrival(said: dict[str, Any]) -> Arrival | Faults:
    """File an event that was checked; one of another's type, whose data may be anything, as it came."""
    data = said.get("data")
    try:
        body = orjson.dumps(said)
    except TypeError:
        return [TOO_DEEP]
    return Arrival(_event(said, data if isinstance(data, dict) else {}, moment_of(said["time"])), body)


def _event(said: Mapping[str, Any], data: Mapping[str, Any], time: datetime | None) -> Event:
    if time is None:
        raise ValueError("expected an envelope that was checked, got one whose time is none")
    return Event(
        id=said["id"],
        source=said["source"],
        type=said["type"],
        time=time,
        data=data,
        subject=said.get("subject"),
        dataschema=said.get("dataschema"),
        extensions={name: value for name, value in said.items() if name not in MEMBERS},
    )
