"""A prefork pool whose children are executed, not forked: they write the same journal, and their failures are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import celery
import pytest

from eventbus import wire
from tests.integration.worker_harness import WorkerBench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(celery.VERSION < (5, 7), reason="Celery has worker_pool_start_method since 5.7"),
]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[WorkerBench]:
    """A worker that spawns its children."""
    broker = f"redrive+sqlite:///{tmp_path}/bus.sqlite"
    bench = WorkerBench(tmp_path, broker, app="tests.integration.pools_app", START_METHOD="spawn")
    bench.start()
    yield bench
    bench.stop()


def test_a_spawned_child_tells_failures_and_strikes_out_what_has_ended(bench: WorkerBench) -> None:
    """After runs that ended well and badly nothing is in flight: a clean end leaves no journal that tells of them."""
    for number in range(3):
        assert bench.send("worker_app.work", str(number)).get(timeout=30) == str(number)
    failed = bench.send("pools_app.fail")
    (failure,) = bench.wait_for_events(wire.TASK_FAILED, 1)
    assert (failure.subject, failure.data["captured"]) == (failed.id, "exception")
    bench.stop()
    assert list(bench.spool.glob("journal/*/*")) == []
