"""Pools without child processes: each way that such a pool can see is captured, on a real worker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import kombu
import pytest

from eventbus import wire
from tests.integration.worker_harness import WorkerBench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POOLS = ("threads", "solo", "gevent")
pytestmark = pytest.mark.slow


@pytest.fixture(params=POOLS)
def pool(request: pytest.FixtureRequest) -> str:
    """A pool of this process's own."""
    return str(request.param)


@pytest.fixture
def bench(tmp_path: Path, pool: str) -> Iterator[WorkerBench]:
    """A worker with that pool."""
    bench = WorkerBench(tmp_path, f"redrive+sqlite:///{tmp_path}/bus.sqlite", app="tests.integration.pools_app")
    bench.start("--pool", pool)
    yield bench
    bench.stop()


def send_undecodable(bench: WorkerBench) -> None:
    """Publish a body that says it is JSON and is not."""
    message = bench.app.amqp.as_task_v2("undecodable", "worker_app.work", args=(), kwargs={})
    with kombu.Connection(bench.broker) as connection:
        kombu.Producer(connection.channel()).publish(
            b"{no json", exchange="", routing_key="celery", headers=dict(message.headers),
            content_type="application/json", content_encoding="utf-8", **message.properties,
        )  # fmt: skip


def test_what_ends_badly_without_children_is_captured_once(bench: WorkerBench, pool: str) -> None:
    """Exception, SystemExit, unknown task, expired and undecodable message are; a time limit is in gevent alone."""
    bench.send("pools_app.fail")
    bench.send("pools_app.leave")
    bench.send("pools_app.unknown")
    bench.app.send_task("worker_app.work", args=("x",), expires=datetime.now(UTC) - timedelta(days=1))
    send_undecodable(bench)
    ways = {"exception", "system_exit", "unknown_task", "expired", "undecodable"}
    if pool == "gevent":
        bench.send("pools_app.limited")
        ways.add("time_limit")
    failures = bench.wait_for_events(wire.TASK_FAILED, len(ways))
    assert bench.send("worker_app.work", "done").get(timeout=30) == "done"
    assert sorted(event.data["captured"] for event in bench.events(wire.TASK_FAILED)) == sorted(ways)
    assert {event.data["message"]["queue"] for event in failures} == {"celery"}


def test_the_next_worker_tells_what_a_killed_one_ran(bench: WorkerBench, pool: str) -> None:
    """A run that SIGKILL ended is a failure; in a solo pool the broker still holds its message, and brings it again."""
    sent = bench.send("pools_app.waits")
    bench.wait_for(lambda: "waits" in bench.runs or None)
    bench.kill()
    bench.start("--pool", pool)
    (failure,) = bench.wait_for_events(wire.TASK_FAILED, 1)
    assert (failure.subject, failure.data["captured"]) == (sent.id, "worker_killed")
    assert failure.data["redelivery"] is (pool == "solo")
    if pool == "solo":
        (ended,) = bench.wait_for_events(wire.REDELIVERY_ENDED, 1)
        assert (ended.data["failure_id"], ended.data["outcome"]) == (failure.data["failure_id"], "succeeded")
