"""A real worker: a task that is sent as a probe runs once, its end is told to whoever sent it, and no failure stays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from eventbus import wire
from orchestrator.bus.redriver import BusRedriver
from orchestrator.domain.probes import ProbeEnd, TaskProbe
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.flows.intake import Intake
from orchestrator.flows.recording import Recorder
from orchestrator.ledger.sql import SqlLedger
from orchestrator.pricing import GenaiPricing
from orchestrator.probes.task import TaskProber
from tests.integration.worker_harness import WorkerBench
from tests.recovery import NOON
from tests.services import own_vhost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from uuid import UUID

ENOUGH = 30.0


@pytest.fixture(scope="module", params=["sqlite", pytest.param("rabbitmq", marks=pytest.mark.slow)])
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerBench]:
    """A running worker, with the plugin."""
    folder: Path = tmp_path_factory.mktemp("probe")
    if request.param == "sqlite":
        with WorkerBench(folder, f"redrive+sqlite:///{folder}/bus.sqlite") as made:
            yield made
        return
    with own_vhost() as url, WorkerBench(folder, url) as made:
        yield made


@dataclass
class Orchestrator:
    """Takes in what the worker tells, and looks up ends of probes."""

    bench: WorkerBench
    ledger: SqlLedger = field(default_factory=SqlLedger.in_memory)

    def ended(self, run_id: UUID) -> ProbeEnd | None:
        """Read the bus, and tell how a run ended."""
        intake = Intake(MemoryEventLog(), self.ledger, GenaiPricing(), Recorder(), lambda: NOON, lambda: 0.0)
        found = self.bench.events(wire.TASK_FAILED) + self.bench.events(wire.ATTEMPT_ENDED)
        intake.handle([wire.encode(found)])
        with self.ledger.reading() as tx:
            return tx.probe_end(run_id)

    @property
    def failures(self) -> int:
        """Count the failures in the ledger."""
        with self.ledger.reading() as tx:
            return sum(tx.failure_counts().values())


@pytest.fixture
def orchestrator(bench: WorkerBench) -> Orchestrator:
    """An orchestrator on the worker's bus."""
    return Orchestrator(bench)


def test_a_task_that_succeeds_passes(bench: WorkerBench, orchestrator: Orchestrator) -> None:
    """The canary runs with its arguments on its queue, once, and passes; it leaves no result that could look lost."""
    before = len(bench.runs)
    prober = TaskProber(BusRedriver(bench.broker), orchestrator.ended)
    result = prober.probe(TaskProbe("worker_app.work", "bulk", (7,), timeout=ENOUGH))
    assert (result.passed, result.why) == (True, "the task succeeded")
    (run,) = bench.runs[before:]
    assert run.startswith("work ")
    (ended,) = bench.events(wire.ATTEMPT_ENDED)
    (counted,) = bench.wait_for_events(wire.TASK_OUTCOMES, 1)
    assert [(each["succeeded"], each["redriven"]) for each in counted.data["counts"]] == [(1, 1)]
    assert bench.app.AsyncResult(ended.data["task_id"]).state == "PENDING"
    assert orchestrator.failures == 0


def test_a_task_that_fails_does_not_pass(bench: WorkerBench, orchestrator: Orchestrator) -> None:
    """The worker's report says why and when to ask again; it becomes no failure that anybody would redrive."""
    prober = TaskProber(BusRedriver(bench.broker), orchestrator.ended)
    result = prober.probe(TaskProbe("worker_app.fail", args=([1],), kwargs={"a": 1}, timeout=ENOUGH))
    assert not result.passed
    assert result.why.startswith("the task failed: tests.integration.worker_app.Refused: too many requests")
    assert result.retry_after == 7
    assert orchestrator.failures == 0
    assert len(bench.events(wire.TASK_FAILED)) == 1


def test_a_task_that_nobody_knows_does_not_pass(bench: WorkerBench, orchestrator: Orchestrator) -> None:
    """A name that the worker has no task for is told as any other bad end."""
    prober = TaskProber(BusRedriver(bench.broker), orchestrator.ended)
    result = prober.probe(TaskProbe("worker_app.nowhere", timeout=ENOUGH))
    assert not result.passed
    assert orchestrator.failures == 0


def test_a_task_whose_end_nobody_tells_does_not_pass(bench: WorkerBench, orchestrator: Orchestrator) -> None:
    """Without a word within the time-out the probe has failed; a message that no queue takes is told at once."""
    prober = TaskProber(BusRedriver(bench.broker), lambda _: None)
    result = prober.probe(TaskProbe("worker_app.work", "celery", (7,), timeout=0.3))
    assert (result.passed, result.why) == (
        False,
        "no worker told the end of worker_app.work on queue celery within 0.3 s",
    )
    result = prober.probe(TaskProbe("worker_app.work", "no-such-queue", timeout=ENOUGH))
    assert not result.passed
    assert result.why.startswith("nothing is known: expected a queue behind")
    assert orchestrator.failures == 0
