"""The failure of a run that its worker's death ended, made of what the worker's journal holds of it."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NotRequired, TypedDict
from uuid import uuid5

from eventbus import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eventbus.remains import LostRun

_TYPE: Final = "celery.exceptions.WorkerLostError"


class Record(TypedDict):
    """What a journal holds of a run, as `Journal.began` is given it.

    `message` is an event's, or has a body of bytes with headers and properties as they came. `acks_late` tells that
    the broker delivers it again when the worker is gone; `delivery_count` how often it has delivered it again already,
    and `delivery_limit` how often it does at most, where that is known. `started_at` is in seconds since 1970.
    """

    task_id: str
    task: str
    retries: int
    attempt_id: str | None
    pid: int
    started_at: float
    acks_late: bool
    declaration: Mapping[str, Any]
    message: Mapping[str, Any]
    delivery_count: NotRequired[int | None]
    delivery_limit: NotRequired[int | None]
    failure_id: NotRequired[str]
    traceparent: NotRequired[str | None]


def key_of(task_id: str, retries: int, attempt_id: str | None, began_at: float | None = None) -> str:
    """Name a run in the journal: two that may say that it is over do not end a later run of its message as well."""
    begun = "" if began_at is None else f"/{began_at}"
    return f"{task_id}/{retries}/{attempt_id or 'none'}{begun}"


def event_of(
    run: LostRun, found_at: datetime, depart: Callable[[str, dict[str, Any]], Mapping[str, Any]] = lambda _, data: data
) -> wire.Event:
    """Give the TASK_FAILED event of a lost run; `depart` makes its data fit to leave (Departing.of).

    A loss that two readers tell, one after the other, is the same event: its id is made of the run's start.
    """
    record: Any = run.record
    name = f"{run.boot}/{record['started_at']}/{key_of(record['task_id'], record['retries'], record['attempt_id'])}"
    data = depart(record["task"], _data(run, record, found_at))
    place = record.get("traceparent")
    return wire.Event(
        str(uuid5(wire.NAMESPACE, name)),
        f"urn:redrive:worker:{run.worker}",
        wire.TASK_FAILED,
        found_at,
        data,
        subject=record["task_id"],
        extensions={"traceparent": place} if place else {},
    )


def _data(run: LostRun, record: Record, found_at: datetime) -> dict[str, Any]:
    spent = _deliveries_spent(record)
    known = record.get("failure_id")
    return {
        "failure_id": known or str(wire.failure_id(record["task_id"], record["retries"], record["attempt_id"])),
        "task_id": record["task_id"],
        "task": record["task"],
        "retries": record["retries"],
        "attempt_id": record["attempt_id"],
        "captured": "delivery_limit" if spent else "worker_killed",
        "redelivery": bool(record["acks_late"]) and not spent,
        "exception": {
            "type": _TYPE,
            "message": _told(run, record, spent=spent),
            "traceback": "",
            "chain": [],
            "status": None,
            "retry_after": None,
        },
        "declaration": record["declaration"],
        "message": _as_event(record["message"]),
        "worker": run.worker,
        "started_at": _started(record).isoformat(),
        "occurred_at": found_at.isoformat(),
    }


def _deliveries_spent(record: Record) -> bool:
    """Tell whether the broker drops the message instead of delivering it once more."""
    count, limit = record.get("delivery_count"), record.get("delivery_limit")
    return bool(record["acks_late"]) and limit is not None and count is not None and count >= limit


def _told(run: LostRun, record: Record, *, spent: bool) -> str:
    started = _started(record).isoformat(timespec="seconds")
    text = (
        f"The worker {run.worker} (process {run.worker_pid} on {run.host}) was killed while process {record['pid']}"
        f" ran this task, begun at {started}."
    )
    if spent:
        return (
            f"{text} The queue's delivery limit of {record.get('delivery_limit')} is reached: it does not come again."
        )
    return f"{text} The broker delivers it again." if record["acks_late"] else text


def _started(record: Record) -> datetime:
    return datetime.fromtimestamp(record["started_at"], UTC)


def _as_event(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the message as an event carries it: the journal holds a body as bytes."""
    body = message["body"]
    if isinstance(body, str):
        return message
    properties = {name: value for name, value in message["properties"].items() if value is not None}
    return {
        **message,
        "body": b64encode(body).decode(),
        "content_type": message["content_type"] or "",
        "content_encoding": message["content_encoding"] or "",
        "headers": message["headers"] or {},
        "properties": properties,
        "exchange": message["exchange"] or "",
        "routing_key": message["routing_key"] or "",
    }
