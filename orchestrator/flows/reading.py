"""From events to values and back: what a failure event and an outcome event say, checked field by field.

What passes here fits into the ledger, whichever database holds it.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from eventbus.wire import WireError
from orchestrator.domain.events import row_key
from orchestrator.domain.failures import Declaration, ExceptionFacts, Failure, TaskMessage, Way
from orchestrator.domain.traces import context_of

if TYPE_CHECKING:
    from eventbus.wire import Event
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx

LONGEST_TASK_ID: Final = 255
# A month, in seconds: workers tell their counts once a second, but for those that were put to sleep.
LONGEST_WINDOW: Final = 30 * 86_400.0
MOST_RUNS: Final = 10**9
LONGEST_TASK: Final = 500
LONGEST_DEPENDENCY: Final = 200
LONGEST_WORKER: Final = 255
LONGEST_CODE: Final = 64
LONGEST_ORGANIZATION: Final = 255
LONGEST_ARGUMENT_NAME: Final = 100
LONGEST_ARGUMENT: Final = 255
MOST_ARGUMENTS: Final = 16
LONGEST_WAIT: Final = 366 * 86_400.0
MOST_RETRIES: Final = 2**31 - 1
_WENT_WELL: Final = {"succeeded": True, "skipped": True, "failed": False}
_MALFORMED: Final = (KeyError, TypeError, ValueError, OverflowError, Base64Error)


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """What a worker says of a redriven run that ended; `ran` is False for one that it skipped, for it had succeeded."""

    event_id: str
    attempt_id: UUID
    task_id: str
    succeeded: bool
    ran: bool
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class RedeliveryEnded:
    """What a worker says of a run that ended well, whose message the broker had delivered before."""

    event_id: str
    failure_id: UUID
    attempt_id: UUID | None
    ended_at: datetime


def failure_of(event: Event) -> Failure:
    """Read a `redrive.task.failed.v1` event; raises WireError naming what is missing or malformed."""
    try:
        return _failure(event, event.data)
    except _MALFORMED as error:
        raise WireError(f"expected a redrive.task.failed.v1 event, got one with a wrong field: {error!r}") from error


def ended_of(event: Event) -> AttemptEnded:
    """Read a `redrive.attempt.ended.v1` event; one that was skipped says how the run before it ended."""
    try:
        return AttemptEnded(
            event_id=str(row_key(event.source, event.id)),
            attempt_id=UUID(event.data["attempt_id"]),
            task_id=str(event.data.get("task_id")),
            succeeded=_WENT_WELL[event.data.get("stored") or event.data["outcome"]],
            ran=event.data["outcome"] != "skipped",
            ended_at=_moment(_text(event.data, "ended_at")),
        )
    except (*_MALFORMED, AttributeError) as error:
        raise WireError(f"expected a redrive.attempt.ended.v1 event, got one with a wrong field: {error!r}") from error


def check_counts(event: Event) -> None:
    """Raise WireError for a `redrive.task.outcomes.v1` event that nobody can count by."""
    try:
        if not 0 <= float(event.data.get("window_seconds") or 0.0) <= LONGEST_WINDOW:
            raise ValueError(f"expected window_seconds up to {LONGEST_WINDOW:g}, got {event.data['window_seconds']!r}")
        for counts in event.data.get("counts", ()):
            _text(counts, "task", LONGEST_TASK)
            if counts.get("dependency") is not None:
                _text(counts, "dependency", LONGEST_DEPENDENCY)
            for name in ("succeeded", "redriven"):
                _count(counts, name)
    except (*_MALFORMED, AttributeError) as error:
        raise WireError(f"expected a redrive.task.outcomes.v1 event, got one with a wrong field: {error!r}") from error


def _count(data: Mapping[str, Any], name: str) -> None:
    value = data.get(name) or 0
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_RUNS:
        raise ValueError(f"expected {name} as a whole number up to {MOST_RUNS}, got {value!r}")


def redelivery_of(event: Event) -> RedeliveryEnded:
    """Read a `redrive.redelivery.ended.v1` event; raises WireError naming what is missing or malformed."""
    try:
        return RedeliveryEnded(
            event_id=str(row_key(event.source, event.id)),
            failure_id=UUID(_text(event.data, "failure_id")),
            attempt_id=UUID(_text(event.data, "attempt_id")) if event.data.get("attempt_id") is not None else None,
            ended_at=_moment(_text(event.data, "ended_at")),
        )
    except (*_MALFORMED, AttributeError) as error:
        raise WireError(f"expected a redrive.redelivery.ended.v1 event, got a wrong field: {error!r}") from error


def _failure(event: Event, data: Mapping[str, Any]) -> Failure:
    attempt_id = data.get("attempt_id")
    place = context_of(event.extensions.get("traceparent"))
    return Failure(
        id=UUID(_text(data, "failure_id")),
        task_id=_text(data, "task_id", LONGEST_TASK_ID),
        task=_text(data, "task", LONGEST_TASK),
        retries=_retries(data["retries"]),
        attempt_id=UUID(_text(data, "attempt_id")) if attempt_id is not None else None,
        exception=_facts(_mapping(data, "exception")),
        message=_message(_mapping(data, "message")),
        declaration=_declaration(_mapping(data, "declaration") if data.get("declaration") else {}),
        occurred_at=_moment(_text(data, "occurred_at")),
        event_id=str(row_key(event.source, event.id)),
        worker=str(data.get("worker") or "").replace("\x00", "")[:LONGEST_WORKER],
        captured=Way(data.get("captured") or Way.EXCEPTION),
        redelivery=data.get("redelivery") is True,
        started_at=_moment(_text(data, "started_at")) if data.get("started_at") is not None else None,
        traceparent=place.traceparent if place else None,
        organization=_organization(data),
        arguments=_arguments(data),
    )


def _organization(data: Mapping[str, Any]) -> str | None:
    return _shown(data["organization_id"])[:LONGEST_ORGANIZATION] or None if data.get("organization_id") else None


def _arguments(data: Mapping[str, Any]) -> Mapping[str, str]:
    """Read the arguments that may be searched by; what is too long or too many is left out, not refused."""
    given = _mapping(data, "arguments") if data.get("arguments") else {}
    fitting = [(_shown(name), _shown(value)) for name, value in given.items() if len(name) <= LONGEST_ARGUMENT_NAME]
    return dict(each for each in fitting[:MOST_ARGUMENTS] if len(each[1]) <= LONGEST_ARGUMENT)


def _declaration(data: Mapping[str, Any]) -> Declaration:
    named = data.get("dependency") is not None
    dependency = _text(data, "dependency", LONGEST_DEPENDENCY) if named else None
    return Declaration(
        dependency,
        idempotent=data.get("idempotent") is True,
        route=tuple(_mapping({"route": each}, "route") for each in data.get("route") or ()),
        never=tuple(_shown(each) for each in data.get("never") or ()),
        search=tuple(_shown(each) for each in data.get("search") or ()),
        edit={_shown(name): _mapping({name: rule}, name) for name, rule in (data.get("edit") or {}).items()},
        positions={_shown(name): _position(at) for name, at in (data.get("positions") or {}).items()},
    )


def _position(value: object) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise ValueError(f"expected an argument's position as a number from 0 or null, got {value!r}")
    return value


def _facts(data: Mapping[str, Any]) -> ExceptionFacts:
    chain = data.get("chain") or ()
    return ExceptionFacts(
        type=_shown(data["type"]),
        message=_shown(data["message"]),
        traceback=_shown(data.get("traceback") or ""),
        chain=tuple(_shown(each) for each in chain),
        status=_number(data, "status", int),
        retry_after=_wait(data),
        code=_shown(data["code"])[:LONGEST_CODE] if data.get("code") is not None else None,
    )


def _message(data: Mapping[str, Any]) -> TaskMessage:
    return TaskMessage(
        body=b64decode(data["body"], validate=True),
        content_type=_string(data, "content_type"),
        content_encoding=_string(data, "content_encoding"),
        headers=_mapping(data, "headers"),
        properties=_mapping(data, "properties"),
        exchange=_string(data, "exchange"),
        routing_key=_string(data, "routing_key"),
        queue=_string(data, "queue") if data.get("queue") is not None else None,
        claim=_mapping(data, "claim") if data.get("claim") is not None else None,
        redacted=tuple(_shown(each) for each in data.get("redacted") or ()),
        resolvable=data.get("resolvable") is True,
        sealed=_string(data, "sealed") if data.get("sealed") is not None else None,
        missing=data.get("missing") is True,
    )


def _string(data: Mapping[str, Any], name: str) -> str:
    value = data[name]
    if not isinstance(value, str):
        raise TypeError(f"expected {name} as text, got {value!r}")
    return value


def _text(data: Mapping[str, Any], name: str, longest: int = 100) -> str:
    value = _string(data, name)
    if not 0 < len(value) <= longest or "\x00" in value:
        raise ValueError(f"expected {name} as text of 1 to {longest} characters, got {value[:longest]!r}")
    return value


def _shown(value: object) -> str:
    # No database column of PostgreSQL holds a NUL; the event log has the event as it came.
    if not isinstance(value, str):
        raise TypeError(f"expected text that tells of an exception, got {value!r}")
    return value.replace("\x00", "\ufffd")


def _mapping(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data[name]
    if not isinstance(value, Mapping):
        raise TypeError(f"expected {name} as a JSON object, got {value!r}")
    return value


def _number(data: Mapping[str, Any], name: str, kind: type | tuple[type, ...]) -> Any:  # noqa: ANN401 - int or float
    value = data.get(name)
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        raise TypeError(f"expected {name} as a number or null, got {value!r}")
    return value


def _wait(data: Mapping[str, Any]) -> float | None:
    """Read how many seconds the dependency asked to wait, a year at most: what a clock and a calendar can hold."""
    seconds = _number(data, "retry_after", (int, float))
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_WAIT)


def _retries(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_RETRIES:
        raise ValueError(f"expected retries as a number from 0, got {value!r}")
    return value


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"expected a time with an offset from UTC, got {text!r}")
    return moment.astimezone(UTC)


def first_failure(tx: LedgerTx, incident: Incident) -> dict[str, Any]:
    """Give the data of the first failure event of an incident again, as triggers tell it to rules."""
    stored = tx.failure(incident.first_failure_id)
    return failure_data(stored.failure) if stored else {}


def _told(facts: ExceptionFacts) -> dict[str, Any]:
    """Give the facts as an event tells them, which has no code where there is none."""
    told = asdict(facts) | {"chain": list(facts.chain)}
    return told if facts.code is not None else {name: value for name, value in told.items() if name != "code"}


def _declared(declaration: Declaration) -> dict[str, Any]:
    """Give a declaration as an event tells it, which says nothing of arguments where nothing is declared."""
    told = asdict(declaration)
    told |= {name: list(told[name]) for name in ("route", "never", "search")}
    return {name: value for name, value in told.items() if value or name not in ("search", "edit", "positions")}


def failure_data(failure: Failure) -> dict[str, Any]:
    """Give the data of a `redrive.task.failed.v1` event again."""
    message = asdict(failure.message) | {"body": b64encode(failure.message.body).decode()}
    message["redacted"] = list(failure.message.redacted)
    known = {"organization_id": failure.organization, "arguments": dict(failure.arguments)}
    return {
        "failure_id": str(failure.id),
        "task_id": failure.task_id,
        "task": failure.task,
        "retries": failure.retries,
        "attempt_id": str(failure.attempt_id) if failure.attempt_id else None,
        "captured": str(failure.captured),
        "redelivery": failure.redelivery,
        "started_at": failure.started_at.isoformat() if failure.started_at else None,
        "exception": _told(failure.exception),
        "declaration": _declared(failure.declaration),
        "message": message,
        "worker": failure.worker,
        "occurred_at": failure.occurred_at.isoformat(),
    } | {name: value for name, value in known.items() if value}
