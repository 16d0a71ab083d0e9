"""A real prefork worker: a failing run is reported once, with its message byte for byte."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import kombu
import orjson
import pytest

from eventbus import wire
from tests.integration.worker_harness import WorkerBench, new_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Odd spacing and a character beyond ASCII: to decode and encode this again would not give the same bytes.
BODY = '[ [["é"]], {},  {"callbacks":null, "errbacks":null, "chain":null, "chord":null}]'.encode()


@pytest.fixture(params=["sqlite", *(pytest.param(each, marks=pytest.mark.slow) for each in ("rabbitmq", "redis"))])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WorkerBench]:
    """A running worker on each kind of broker."""
    fixtures = {"rabbitmq": "rabbitmq", "redis": "redis_db"}
    if request.param == "sqlite":
        broker = f"redrive+sqlite:///{tmp_path}/bus.sqlite"
    else:
        broker = str(request.getfixturevalue(fixtures[request.param]))
    with WorkerBench(tmp_path, broker) as bench:
        yield bench


def publish(bench: WorkerBench, task: str, body: bytes, **changes: Any) -> dict[str, Any]:
    """Publish a task's message with exactly this body; gives the headers."""
    task_id = new_id()
    message = bench.app.amqp.as_task_v2(task_id, task, args=(), kwargs={}, reply_to="the caller")
    headers = {**message.headers, "my-header": ["mine", 1]}
    with kombu.Connection(bench.broker) as connection:
        kombu.Producer(connection.channel()).publish(
            body,
            exchange="",
            routing_key="celery",
            headers=dict(headers),
            content_type="application/json",
            content_encoding="utf-8",
            **{"priority": 3, **message.properties, **changes},
        )
    return headers


def test_the_message_of_a_failed_run_is_reported_byte_for_byte(bench: WorkerBench) -> None:
    """One event, with body, headers, properties and routing as published, though the task changed its arguments."""
    headers = publish(bench, "worker_app.fail", BODY)
    compressed = publish(bench, "worker_app.fail", BODY, compression="gzip")
    events = {event.subject: event for event in bench.wait_for_events(wire.TASK_FAILED, 2)}
    message = events[headers["id"]].data["message"]
    assert b64decode(message["body"]) == BODY
    assert wire.thaw(message["headers"]) == json.loads(json.dumps(headers))
    assert message["properties"].items() >= {
        "correlation_id": headers["id"], "reply_to": "the caller", "priority": 3, "delivery_mode": 2,
    }.items()  # fmt: skip
    assert (message["exchange"], message["routing_key"]) == ("", "celery")
    assert (message["content_type"], message["content_encoding"]) == ("application/json", "utf-8")
    other = events[compressed["id"]].data["message"]
    assert b64decode(other["body"]) == BODY
    assert other["headers"]["compression"] == "application/x-gzip"
    bench.stop()
    assert len(bench.events(wire.TASK_FAILED)) == 2


@pytest.mark.parametrize("bench", ["sqlite"], indirect=True)
def test_a_failure_tells_what_was_raised_where_it_was_raised(bench: WorkerBench) -> None:
    """Status and Retry-After survive, though neither exception nor answer pickles; the event is as its schema says."""
    sent = bench.send("worker_app.fail", ["x"])
    (event,) = bench.wait_for_events(wire.TASK_FAILED, 1)
    schema = orjson.loads(wire.schema_text(wire.TASK_FAILED))
    jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(dict(event.data))
    raised = event.data["exception"]
    assert raised["type"].endswith("worker_app.Refused")
    assert raised["message"] == "too many requests"
    assert raised["chain"] == ["builtins.ConnectionRefusedError"]
    assert (raised["status"], raised["retry_after"]) == (429, 7.0)
    assert "nobody there at 10.0.0.1:443" in raised["traceback"]
    assert event.data["declaration"] == {
        "dependency": "by-pattern",
        "idempotent": True,
        "route": [],
        "never": [],
    }
    assert event.data["failure_id"] == str(wire.failure_id(sent.id, 0, None))
    assert (event.data["task"], event.data["retries"], event.data["attempt_id"]) == ("worker_app.fail", 0, None)
    assert event.data["worker"].startswith("celery@")


@pytest.mark.parametrize("bench", ["sqlite"], indirect=True)
def test_only_the_last_of_celerys_own_retries_is_a_failure(bench: WorkerBench) -> None:
    """Runs that Celery retries are not reported; the one it gives up on is, with its number."""
    sent = bench.send("worker_app.retried")
    (event,) = bench.wait_for_events(wire.TASK_FAILED, 1)
    bench.stop()
    assert bench.runs == ["retried 0", "retried 1", "retried 2"]
    assert event.data["retries"] == 2
    assert event.data["failure_id"] == str(wire.failure_id(sent.id, 2, None))
    assert len(bench.events(wire.TASK_FAILED)) == 1


@pytest.mark.parametrize("bench", ["sqlite"], indirect=True)
def test_a_task_that_succeeds_or_refuses_its_message_is_no_failure(bench: WorkerBench) -> None:
    """Success is counted, with the dependency that the task declares; rejecting a message reports nothing."""
    bench.send("worker_app.rejected")
    assert bench.send("worker_app.work", "done").get(timeout=30) == "done"
    bench.stop()
    assert bench.events(wire.TASK_FAILED) == []
    counts = [count for event in bench.events(wire.TASK_OUTCOMES) for count in event.data["counts"]]
    assert counts == [{"task": "worker_app.work", "dependency": "own", "succeeded": 1, "failed": 0}]


@pytest.mark.slow
@pytest.mark.parametrize("bench", ["sqlite"], indirect=True)
@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_the_other_pools_report_as_well(bench: WorkerBench, pool: str) -> None:
    """Without child processes a failure is reported the same way."""
    bench.stop()
    bench.start("--pool", pool)
    sent = bench.send("worker_app.fail", ["x"])
    (event,) = bench.wait_for_events(wire.TASK_FAILED, 1)
    assert event.subject == sent.id
    assert orjson.loads(b64decode(event.data["message"]["body"]))[0] == [["x"]]
    assert event.data["exception"]["status"] == 429


@pytest.mark.parametrize("bench", ["sqlite"], indirect=True)
def test_what_a_child_has_not_sent_yet_leaves_when_it_ends(bench: WorkerBench) -> None:
    """A worker that is stopped right after its last task reports it all the same."""
    bench.stop()
    bench.start("--max-tasks-per-child", "1")
    for number in range(4):
        bench.send("worker_app.fail", [number])
    bench.wait_for(lambda: len(bench.runs) == 4 or None)
    bench.stop()
    assert len(bench.events(wire.TASK_FAILED)) == 4
