"""What an event tells of a trace: one span each, its ids made of what it tells of, so that it can be sent again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from eventbus.wire import (
    ATTEMPT_ENDED,
    ATTEMPT_RECORDED,
    COMMAND_RECORDED,
    INCIDENT_CLOSED,
    INCIDENT_OPENED,
    INCIDENT_PLANNED,
    LLM_CALL,
    RELEASE_ENDED,
    SPAN_ENDED,
    TASK_FAILED,
)
from orchestrator.domain.traces import SpanContext, context_of, span_id
from orchestrator.sinks import calls

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

INTERNAL: Final = "internal"
PRODUCER: Final = "producer"
CONSUMER: Final = "consumer"
CLIENT: Final = "client"


@dataclass(frozen=True, slots=True)
class Span:
    """One span: `parent` is the id of a span of the same trace, `links` are places in this trace or in others."""

    name: str
    context: SpanContext
    start: datetime
    end: datetime
    parent: str | None = None
    kind: str = INTERNAL
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    links: tuple[SpanContext, ...] = ()
    error: str | None = None


def span_of(envelope: Mapping[str, Any]) -> Span | None:
    """Make the span of an event; None where it is in no trace, or in one that nobody samples.

    Raises ValueError naming the field that is missing or malformed.
    """
    data, place = envelope["data"], context_of(envelope.get("traceparent"))
    try:
        if envelope["type"] == SPAN_ENDED:
            return _users(data)
        if place is None or not place.sampled:
            return None
        if envelope["type"] == LLM_CALL:
            return _called(envelope, place, datetime.fromisoformat(envelope["time"]))
        return _MAKERS[envelope["type"]](data, place, datetime.fromisoformat(envelope["time"]))
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"expected an event that a span can be made of, got one with a wrong field: {error!r}"
        ) from error


def _failed(data: Mapping[str, Any], place: SpanContext, at: datetime) -> Span:
    began = data.get("started_at")
    exception = data["exception"]
    return Span(
        name=f"failed {data['task']}",
        context=SpanContext(place.trace_id, span_id("failed", data["failure_id"])),
        parent=place.span_id,
        start=datetime.fromisoformat(began) if began else at,
        end=at,
        attributes=_known(data, "failure_id", "task_id", "captured", "worker") | {"error.type": exception["type"]},
        error=exception["message"],
    )


def _opened(data: Mapping[str, Any], place: SpanContext, at: datetime) -> Span:
    return replace(_step("incident opened", data, place, at), links=_links(data))


def _planned(data: Mapping[str, Any], place: SpanContext, at: datetime) -> Span:
    return _step("incident planned", data, place, at, data.get("revision"))


def _closed(data: Mapping[str, Any], place: SpanContext, at: datetime) -> Span:
    """Tell of the incident whole: it is the parent of its steps, and complete only now."""
    link = _links(data)
    own = link[0].span_id if link and link[0].trace_id == place.trace_id else None
    began = data.get("opened_at")
    return Span(
        name=f"incident {data['task']}",
        context=place,
        parent=own,
        start=datetime.fromisoformat(began) if began else at,
        end=at,
        attributes=_known(data, "incident_id", "kind", "task", "dependency", "size", "state"),
        links=() if own else link,
    )


def _released(data: Mapping[str, Any], place: SpanContext, at: datetime) -> Span:
    return _step(f"release {data['outcome']}", data, place, at, data["release_id"])


def _commanded(data: Mapping[str, Any], place: SpanContext, at: datetime) -> Span:
    return _step("command recorded", data, place, at, data["command_id"])


def _redriven(data: Mapping[str, Any], place: SpanContext, at: datetime) -> Span:
    """Tell of one redrive; the run that it brings is its child, in a worker that traces."""
    links = _links(data)
    incident = context_of(data.get("incident_traceparent"))
    leads = incident is not None and incident.trace_id == place.trace_id
    return Span(
        name="redrive",
        context=place,
        parent=incident.span_id if incident and leads else None,
        kind=PRODUCER,
        start=at,
        end=at,
        attributes=_known(data, "attempt_id", "failure_id", "task_id", "incident_id", "number", "plan", "execution_id"),
        links=links if leads or incident is None else (*links, incident),
    )


def _ended(data: Mapping[str, Any], place: SpanContext, at: datetime) -> Span:
    ran = timedelta(seconds=data.get("runtime_seconds") or 0)
    return Span(
        name=f"redriven {data['task']}",
        context=SpanContext(place.trace_id, span_id("ended", data["attempt_id"], data["outcome"])),
        parent=place.span_id,
        kind=CONSUMER,
        start=at - ran,
        end=at,
        attributes=_known(data, "attempt_id", "task_id", "outcome", "worker"),
        error="the redriven run failed" if data["outcome"] == "failed" else None,
    )


def _called(envelope: Mapping[str, Any], place: SpanContext, at: datetime) -> Span:
    """Tell of a model call, as a child of the span in which it was made."""
    data = envelope["data"]
    return Span(
        name=calls.name_of(data),
        context=calls.own_context(envelope, place),
        parent=place.span_id,
        kind=CLIENT,
        start=calls.began(data, at),
        end=at,
        attributes=calls.attributes_of(data),
        error=data.get("error"),
    )


def _users(data: Mapping[str, Any]) -> Span:
    began = datetime.fromisoformat(data["started_at"])
    ended = began + timedelta(seconds=data["duration_seconds"])
    plain = {key: each for key, each in (data.get("attributes") or {}).items() if isinstance(each, (str, int, float))}
    return Span(
        name=data["name"],
        context=SpanContext(data["trace_id"], data["span_id"]),
        parent=data.get("parent_span_id"),
        start=began,
        end=ended,
        attributes=plain,
        error=data.get("error.type") or "error" if data["status"] == "error" else None,
    )


def _step(name: str, data: Mapping[str, Any], place: SpanContext, at: datetime, identity: object = "") -> Span:
    """Tell of a moment in an incident's life, as a child of its span."""
    own = SpanContext(place.trace_id, span_id(name, data["incident_id"], identity))
    told = {key for key in data if isinstance(data[key], (str, int, float))} - {"link", "signature"}
    return Span(name, own, at, at, place.span_id, attributes=_known(data, *sorted(told)))


def _links(data: Mapping[str, Any]) -> tuple[SpanContext, ...]:
    linked = context_of(data.get("link"))
    return (linked,) if linked else ()


def _known(data: Mapping[str, Any], *names: str) -> dict[str, str | int | float | bool]:
    return {f"redrive.{name}": data[name] for name in names if data.get(name) is not None}


_MAKERS: Final[Mapping[str, Callable[[Mapping[str, Any], SpanContext, datetime], Span]]] = {
    TASK_FAILED: _failed,
    INCIDENT_OPENED: _opened,
    INCIDENT_PLANNED: _planned,
    INCIDENT_CLOSED: _closed,
    RELEASE_ENDED: _released,
    COMMAND_RECORDED: _commanded,
    ATTEMPT_RECORDED: _redriven,
    ATTEMPT_ENDED: _ended,
}
TOLD: Final = frozenset({*_MAKERS, SPAN_ENDED, LLM_CALL})
