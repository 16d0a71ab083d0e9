"""Attempts of tasks as rows of `code_exec_logs`: several events tell of one attempt, in any order, and again.

Each event gives a row with what it knows. Two rows of one attempt are merged column by column: the earliest
`created_at`, of everything else the greatest value, NULL below all. That gives the same row in whichever order the
events come, and however often: it needs no memory of which of them have been. Of outcomes the greatest is the last to
be known: failed < ignored < retried < succeeded.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from eventbus.wire import ATTEMPT_ENDED, ATTEMPT_RECORDED, CONTEXT_HEADER, REDELIVERY_ENDED, TASK_FAILED
from orchestrator.warehouse import values
from orchestrator.warehouse.identifiers import About, about_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.events import EventRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow(About):
    """What one event knows of one attempt: a row of `code_exec_logs`, or a part of one."""

    id: UUID
    created_at: datetime
    task: str | None = None
    number: int | None = None
    retries: int | None = None
    outcome: str | None = None
    captured: str | None = None
    error_type: str | None = None
    error_status: int | None = None
    error_code: str | None = None
    dependency: str | None = None
    plan: str | None = None
    worker: str | None = None
    failure_id: str | None = None
    attempt_id: str | None = None
    release_id: str | None = None
    execution_id: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_seconds: float | None = None


MERGED: Final = tuple(field.name for field in fields(RunRow) if field.name not in ("id", "created_at"))


def run_of(record: EventRecord, data: Mapping[str, Any], envelope: Mapping[str, Any]) -> RunRow | None:
    """Make what an event tells of an attempt; None for one that tells of none. Raises Unloadable."""
    make = _MAKERS.get(record.type)
    attempt, failure = values.key(data, "attempt_id"), values.key(data, "failure_id")
    own = attempt or failure
    if make is None or own is None:
        return None
    known = make(data) | about_of(record, data, envelope, _carried(data))
    # A failure that is told of a redrive is another one than that which was redriven.
    if attempt is not None:
        known["attempt_id"] = str(attempt)
    if attempt is None or record.type == ATTEMPT_RECORDED:
        known["failure_id"] = str(failure) if failure else None
    known["number"] = values.number(data, "number") if attempt else 0
    known["task"] = values.text(data, "task")
    return RunRow(id=own, created_at=record.time, **known)


def merged(rows: Iterable[RunRow]) -> list[RunRow]:
    """Merge the rows of each attempt, in the order of their ids, in which every writer locks them."""
    found: dict[UUID, RunRow] = {}
    for row in rows:
        other = found.get(row.id)
        found[row.id] = row if other is None else _merged(other, row)
    return sorted(found.values(), key=lambda row: row.id)


def _merged(one: RunRow, other: RunRow) -> RunRow:
    known = {name: _greatest(getattr(one, name), getattr(other, name)) for name in MERGED}
    return RunRow(id=one.id, created_at=min(one.created_at, other.created_at), **known)


def _greatest(one: Any, other: Any) -> Any:  # noqa: ANN401 - of every column
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


def _failed(data: Mapping[str, Any]) -> dict[str, Any]:
    exception, declared = _object(data, "exception"), _object(data, "declaration")
    began, ended = values.moment(data, "started_at"), values.moment(data, "occurred_at")
    return {
        "outcome": "failed",
        "captured": values.text(data, "captured"),
        "retries": values.number(data, "retries"),
        "error_type": values.text(exception, "type"),
        "error_status": values.number(exception, "status"),
        "error_code": values.text(exception, "code"),
        "dependency": values.text(declared, "dependency"),
        "worker": values.text(data, "worker"),
        "started_at": began,
        "ended_at": ended,
        "duration_seconds": max(0.0, (ended - began).total_seconds()) if began and ended else None,
    }


def _recorded(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values.text(data, name) for name in ("plan", "release_id", "execution_id")}


def _ended(data: Mapping[str, Any]) -> dict[str, Any]:
    outcome = values.bounded(data, "outcome", 20)
    if outcome == "skipped":
        # A copy of the message came after the end: it did not run, and tells how the run before it ended.
        return {"outcome": values.bounded(data, "stored", 20)}
    ended, ran = values.moment(data, "ended_at"), values.seconds(data, "runtime_seconds")
    began = _before(ended, ran) if ended and ran is not None else None
    worker = values.text(data, "worker")
    return {"outcome": outcome, "worker": worker, "started_at": began, "ended_at": ended, "duration_seconds": ran}


def _before(ended: datetime, seconds: float) -> datetime | None:
    try:
        return ended - timedelta(seconds=seconds)
    except OverflowError:
        return None


def _redelivered(data: Mapping[str, Any]) -> dict[str, Any]:
    # A redrive that asked Celery for another try has not ended.
    outcome = values.bounded(data, "outcome", 20)
    goes_on = outcome == "retried" and data.get("attempt_id") is not None
    known = {"retries": values.number(data, "retries"), "worker": values.text(data, "worker")}
    return known if goes_on else known | {"outcome": outcome, "ended_at": values.moment(data, "ended_at")}


def _carried(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give what the task's message carried from the code that sent it."""
    return _object(_object(_object(data, "message"), "headers"), CONTEXT_HEADER)


def _object(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


_MAKERS: Final[Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    TASK_FAILED: _failed,
    ATTEMPT_RECORDED: _recorded,
    ATTEMPT_ENDED: _ended,
    REDELIVERY_ENDED: _redelivered,
}
