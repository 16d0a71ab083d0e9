"""The failure of a run that its worker's death ended."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
import orjson
import pytest

from eventbus import wire
from eventbus.lost import event_of, key_of
from eventbus.remains import LostRun

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
BEGAN = datetime(2026, 11, 20, 11, 58, 30, tzinfo=UTC)
MESSAGE = {
    "body": b"\xff[]",
    "content_type": "application/json",
    "content_encoding": "utf-8",
    "headers": {"id": "t-1", "task": "tasks.add"},
    "properties": {"correlation_id": "t-1", "reply_to": None},
    "exchange": "",
    "routing_key": "celery",
    "queue": "celery",
}


def lost(**given: Any) -> LostRun:
    """Make a lost run."""
    record = {
        "task_id": "t-1",
        "task": "tasks.add",
        "retries": 2,
        "attempt_id": None,
        "pid": 71,
        "started_at": BEGAN.timestamp(),
        "acks_late": False,
        "declaration": {"dependency": "openai", "idempotent": True},
        "message": MESSAGE,
        **given,
    }
    return LostRun("celery@here", "boot", "here", 70, record, told=lambda: None)


def test_it_is_the_failure_of_that_run_with_the_whole_message() -> None:
    """The event fits its schema, has the run's own failure id, and the message as it came."""
    event = event_of(lost(traceparent="00-1-2-01"), NOON)
    data = wire.to_mapping(event)["data"]
    schema = orjson.loads(wire.schema_text(wire.TASK_FAILED))
    jsonschema_rs.validator_for(schema, validate_formats=True).validate(data)
    assert data["failure_id"] == str(wire.failure_id("t-1", 2, None))
    assert (data["captured"], data["redelivery"]) == ("worker_killed", False)
    assert (data["started_at"], data["occurred_at"]) == (BEGAN.isoformat(), NOON.isoformat())
    assert data["message"] == {**MESSAGE, "body": "/1td", "properties": {"correlation_id": "t-1"}}
    assert data["exception"]["type"] == "celery.exceptions.WorkerLostError"
    assert event.extensions == {"traceparent": "00-1-2-01"}
    assert (event.source, event.subject) == ("urn:redrive:worker:celery@here", "t-1")


def test_it_says_who_was_killed_and_when_in_plain_words() -> None:
    """The message names the worker, its process, the child's, and when the run began."""
    told = event_of(lost(), NOON).data["exception"]["message"]
    for word in ("celery@here", "process 70", "here", "process 71", "2026-11-20T11:58:30"):
        assert word in told


@pytest.mark.parametrize(
    ("acks_late", "count", "limit", "way", "redelivery"),
    [
        (False, None, None, "worker_killed", False),
        (True, None, None, "worker_killed", True),
        (True, 1, 3, "worker_killed", True),
        (True, 3, 3, "delivery_limit", False),
        (True, 4, 3, "delivery_limit", False),
        (True, 3, None, "worker_killed", True),
        (False, 3, 3, "worker_killed", False),
    ],
)
def test_what_the_broker_delivers_again_is_told_apart(
    *, acks_late: bool, count: int | None, limit: int | None, way: str, redelivery: bool
) -> None:
    """An unacknowledged message comes again, unless the queue's limit is reached: then nobody else will tell of it."""
    data = event_of(lost(acks_late=acks_late, delivery_count=count, delivery_limit=limit), NOON).data
    assert (data["captured"], data["redelivery"]) == (way, redelivery)


def test_it_leaves_only_through_what_makes_it_fit_to() -> None:
    """What redacts, claims and seals a failure's data sees this one's too, with the task's name."""
    event = event_of(lost(), NOON, lambda task, data: {**data, "seen": task})
    assert event.data["seen"] == "tasks.add"


def test_a_message_without_a_task_id_keeps_the_id_that_its_message_gave() -> None:
    """A record may name its failure itself."""
    assert event_of(lost(failure_id="given"), NOON).data["failure_id"] == "given"


def test_a_run_is_named_by_task_retries_attempt_and_its_beginning() -> None:
    """The name in the journal is what the failure's id is made of, and when the run began, where it did."""
    assert key_of("t-1", 2, None) == "t-1/2/none"
    assert key_of("t-1", 0, "a") == "t-1/0/a"
    assert key_of("t-1", 0, "a", 1.5) == "t-1/0/a/1.5"


def test_a_loss_that_two_readers_tell_is_one_event() -> None:
    """Whoever tells it, and when, its id is the same; another run's is another."""
    one = event_of(lost(), NOON)
    assert event_of(lost(), datetime(2026, 11, 20, 13, tzinfo=UTC)).id == one.id
    assert event_of(lost(retries=3), NOON).id != one.id
