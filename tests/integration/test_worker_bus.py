"""A real prefork worker: a dead bus costs a task nothing, and a wrong declaration ends the start."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from eventbus import wire
from tests.integration.worker_harness import CHECKOUT, PATIENCE, WorkerBench

if TYPE_CHECKING:
    from pathlib import Path


def test_a_dead_bus_costs_a_task_nothing_and_its_events_arrive_later(tmp_path: Path) -> None:
    """Without a bus tasks end as ever; what was reported waits on disk, and leaves with the next worker."""
    broker, missing = f"redrive+sqlite:///{tmp_path}/broker.sqlite", tmp_path / "not yet"
    bench = WorkerBench(tmp_path, broker, bus=f"redrive+sqlite:///{missing}/bus.sqlite")
    with bench:
        failing = [bench.send("worker_app.fail", [number]) for number in range(5)]
        working = [bench.send("worker_app.work", number) for number in range(5)]
        assert [each.get(timeout=PATIENCE) for each in working] == list(range(5))
        assert ["too many requests" in str(each.get(timeout=PATIENCE, propagate=False)) for each in failing] == [
            True
        ] * 5
        bench.stop()
        assert list(bench.spool.rglob("*.spool"))
        assert bench.log.count("bus.unreachable") <= 3  # once in each process: the two of the pool, and their parent
        missing.mkdir()
        bench.start()
        events = bench.wait_for_events(wire.TASK_FAILED, 5)
        assert {event.subject for event in events} == {each.id for each in failing}
        bench.stop()
        assert not list(bench.spool.rglob("*.spool"))


def test_a_worker_refuses_to_start_with_a_task_that_is_declared_wrongly(tmp_path: Path) -> None:
    """A typo in a declaration ends the start, with the task, the wrong key and the right ones."""
    (tmp_path / "typo_app.py").write_text(
        "from celery import Celery\n"
        "from eventbus.celery_plugin import install\n"
        f"app = Celery('typo_app', broker='redrive+sqlite:///{tmp_path}/bus.sqlite')\n"
        "install(app)\n"
        "@app.task(name='pay', redrive={'idempotnet': True})\n"
        "def pay(): pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "typo_app", "worker", "-c", "1"],
        env={**os.environ, "PYTHONPATH": f"{CHECKOUT}:{tmp_path}"},
        cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "task 'pay': expected only the keys dependency, idempotent," in done.stderr
    assert "got idempotnet (meant: idempotent?)" in done.stderr
