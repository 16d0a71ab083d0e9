"""A real prefork worker: a captured message that is published again runs, succeeds, and tells its end, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsonschema_rs
import orjson
import pytest
from celery import chain, chord, signature

from eventbus import wire
from tests.integration.worker_harness import WorkerBench, new_id, republish

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["sqlite", *(pytest.param(each, marks=pytest.mark.slow) for each in ("rabbitmq", "redis"))])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WorkerBench]:
    """A running worker on each kind of broker."""
    if request.param == "sqlite":
        broker = f"redrive+sqlite:///{tmp_path}/bus.sqlite"
    else:
        broker = str(request.getfixturevalue({"rabbitmq": "rabbitmq", "redis": "redis_db"}[request.param]))
    with WorkerBench(tmp_path, broker) as bench:
        yield bench


def test_a_failed_run_that_is_redriven_succeeds_under_its_own_id(bench: WorkerBench) -> None:
    """The redriven run keeps id and chain: its result is stored, the next link runs, the attempt's end is told."""
    links = chain(
        signature("worker_app.fail_once", args=("key", 1), app=bench.app),
        signature("worker_app.work", app=bench.app),
    )
    last = links.apply_async()
    (failure,) = bench.wait_for_events(wire.TASK_FAILED, 1)
    attempt_id = new_id()
    republish(bench.broker, failure.data["message"], attempt_id, queue="bulk")
    (ended,) = bench.wait_for_events(wire.ATTEMPT_ENDED, 1)
    schema = orjson.loads(wire.schema_text(wire.ATTEMPT_ENDED))
    jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(dict(ended.data))
    assert failure.data["task_id"] == last.parent.id == ended.subject
    assert (ended.data["attempt_id"], ended.data["outcome"]) == (attempt_id, "succeeded")
    assert last.parent.get(timeout=30) == "key-1"
    # The link had been failed together with the first run; its own run stores over that.
    bench.wait_for(lambda: f"work {last.id} -" in bench.runs or None)
    bench.stop()
    assert len(bench.events(wire.ATTEMPT_ENDED)) == 1
    assert len(bench.events(wire.TASK_FAILED)) == 1


@pytest.mark.parametrize("bench", ["sqlite"], indirect=True)
def test_a_redriven_run_that_fails_again_tells_both(bench: WorkerBench) -> None:
    """A redriven run that fails reports a failure of its own, which names the attempt, and the attempt's end."""
    bench.send("worker_app.fail", ["x"])
    (first,) = bench.wait_for_events(wire.TASK_FAILED, 1)
    attempt_id = new_id()
    republish(bench.broker, first.data["message"], attempt_id)
    (ended,) = bench.wait_for_events(wire.ATTEMPT_ENDED, 1)
    assert (ended.data["attempt_id"], ended.data["outcome"]) == (attempt_id, "failed")
    second = bench.wait_for_events(wire.TASK_FAILED, 2)[1]
    assert second.data["attempt_id"] == attempt_id
    assert second.data["failure_id"] == str(wire.failure_id(first.data["task_id"], 0, attempt_id))
    assert second.data["message"]["body"] == first.data["message"]["body"]


@pytest.mark.slow
@pytest.mark.parametrize("bench", ["sqlite"], indirect=True)
def test_an_attempt_ends_with_the_last_of_celerys_own_retries(bench: WorkerBench) -> None:
    """A redriven run that Celery retries has not ended; its last retry belongs to the same attempt."""
    bench.send("worker_app.retried")
    (first,) = bench.wait_for_events(wire.TASK_FAILED, 1)
    first.data["message"]["headers"]["retries"] = 0
    attempt_id = new_id()
    republish(bench.broker, first.data["message"], attempt_id)
    bench.wait_for_events(wire.ATTEMPT_ENDED, 1)
    bench.stop()
    assert bench.runs == ["retried 0", "retried 1", "retried 2"] * 2
    assert [event.data["attempt_id"] for event in bench.events(wire.ATTEMPT_ENDED)] == [attempt_id]
    assert [event.data["attempt_id"] for event in bench.events(wire.TASK_FAILED)] == [None, attempt_id]


@pytest.mark.parametrize("bench", ["sqlite"], indirect=True)
def test_an_attempt_that_has_ended_is_not_run_again(bench: WorkerBench) -> None:
    """A second copy of a redriven message is skipped and says how the attempt ended; another attempt runs."""
    bench.send("worker_app.fail_once", "key", 1)
    (failure,) = bench.wait_for_events(wire.TASK_FAILED, 1)
    attempt_id, other = new_id(), new_id()
    republish(bench.broker, failure.data["message"], attempt_id)
    bench.wait_for_events(wire.ATTEMPT_ENDED, 1)
    republish(bench.broker, failure.data["message"], attempt_id)
    skipped = bench.wait_for_events(wire.ATTEMPT_ENDED, 2)[1]
    assert (skipped.data["attempt_id"], skipped.data["outcome"]) == (attempt_id, "skipped")
    assert skipped.data["stored"] == "succeeded"
    republish(bench.broker, failure.data["message"], other)
    ran = bench.wait_for_events(wire.ATTEMPT_ENDED, 3)[2]
    assert (ran.data["attempt_id"], ran.data["outcome"]) == (other, "succeeded")
    assert bench.runs == [f"fail_once {failure.subject} 0"] * 3


@pytest.mark.parametrize("bench", ["sqlite"], indirect=True)
def test_a_group_member_that_is_redriven_keeps_its_place(bench: WorkerBench) -> None:
    """Headers of canvas membership are in the captured message: group, index, root."""
    header = [signature("worker_app.fail_once", args=("key", number), app=bench.app) for number in range(2)]
    chord(header, app=bench.app)(signature("worker_app.work", app=bench.app))
    (failure,) = bench.wait_for_events(wire.TASK_FAILED, 1)
    headers = failure.data["message"]["headers"]
    assert headers["group"]
    assert headers["group_index"] in (0, 1)
    assert headers["root_id"]
