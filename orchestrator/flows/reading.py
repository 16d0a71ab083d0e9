"""From events to values: what a failure event and an outcome event say, checked field by field."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from eventbus.wire import WireError
from orchestrator.domain.failures import Declaration, ExceptionFacts, Failure, TaskMessage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventbus.wire import Event


_WENT_WELL: Final = {"succeeded": True, "skipped": True, "failed": False}


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """What a worker says of a redriven run that ended."""

    event_id: str
    attempt_id: UUID
    succeeded: bool
    ended_at: datetime


def failure_of(event: Event) -> Failure:
    """Read a `redrive.task.failed.v1` event; raises WireError naming what is missing or malformed."""
    try:
        return _failure(event, event.data)
    except (KeyError, TypeError, ValueError, Base64Error) as error:
        raise WireError(f"expected a redrive.task.failed.v1 event, got one with a wrong field: {error!r}") from error


def _failure(event: Event, data: Mapping[str, Any]) -> Failure:
    declaration = data.get("declaration") or {}
    return Failure(
        id=UUID(data["failure_id"]),
        task_id=data["task_id"],
        task=data["task"],
        retries=int(data["retries"]),
        attempt_id=UUID(data["attempt_id"]) if data.get("attempt_id") else None,
        exception=_facts(data["exception"]),
        message=_message(data["message"]),
        declaration=Declaration(declaration.get("dependency"), bool(declaration.get("idempotent"))),
        occurred_at=datetime.fromisoformat(data["occurred_at"]),
        event_id=f"{event.source}#{event.id}",
        worker=data.get("worker", ""),
    )


def _facts(data: Mapping[str, Any]) -> ExceptionFacts:
    return ExceptionFacts(
        type=data["type"],
        message=data["message"],
        traceback=data.get("traceback") or "",
        chain=tuple(data.get("chain") or ()),
        status=data.get("status"),
        retry_after=data.get("retry_after"),
    )


def _message(data: Mapping[str, Any]) -> TaskMessage:
    return TaskMessage(
        body=b64decode(data["body"], validate=True),
        content_type=data["content_type"],
        content_encoding=data["content_encoding"],
        headers=data["headers"],
        properties=data["properties"],
        exchange=data["exchange"],
        routing_key=data["routing_key"],
    )


def ended_of(event: Event) -> AttemptEnded:
    """Read a `redrive.attempt.ended.v1` event; a run that was skipped had succeeded before."""
    try:
        return AttemptEnded(
            event_id=f"{event.source}#{event.id}",
            attempt_id=UUID(event.data["attempt_id"]),
            succeeded=_WENT_WELL[event.data["outcome"]],
            ended_at=datetime.fromisoformat(event.data["ended_at"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WireError(f"expected a redrive.attempt.ended.v1 event, got one with a wrong field: {error!r}") from error
