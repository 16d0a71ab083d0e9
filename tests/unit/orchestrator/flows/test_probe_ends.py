"""The run of a task that was sent as a probe: told to whoever asks for it, neither a failure nor an attempt."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from eventbus.wire import encode
from orchestrator.domain.probes import ProbeEnd, run_of
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.flows.intake import Intake
from orchestrator.flows.recording import Recorder
from orchestrator.pricing import GenaiPricing
from tests.recovery import NOON, ended_event, failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from eventbus.wire import Event

TASK = "7a1c4c52-0000-4000-8000-000000000001"
RUN = run_of(TASK)
EXCEPTION = {
    "type": "openai.RateLimitError", "message": "slow down", "traceback": "", "chain": [], "status": 429,
    "retry_after": 90.0,
}  # fmt: skip


@pytest.fixture
def scene() -> Scene:
    """A ledger with nothing in it."""
    return Scene()


def take_in(scene: Scene, *events: Event) -> None:
    """Take events in as they come from the bus."""
    intake = Intake(MemoryEventLog(), scene.ledger, GenaiPricing(), Recorder(), lambda: NOON, lambda: 0.0)
    intake.handle([encode(events)])


def end_of(scene: Scene) -> ProbeEnd | None:
    """Read what was told of the probe's run."""
    with scene.ledger.reading() as tx:
        return tx.probe_end(RUN)


def failed(**changes: Any) -> Event:
    """Make the event of a probe's run that failed."""
    return failed_event(attempt_id=RUN, task_id=TASK, exception=EXCEPTION, **changes)


def test_a_run_that_went_well_passes(scene: Scene) -> None:
    """The end that the worker tells is the probe's; a second word changes nothing."""
    assert end_of(scene) is None
    take_in(scene, ended_event(RUN, task_id=TASK))
    take_in(scene, failed())
    assert end_of(scene) == ProbeEnd(passed=True, why="the task succeeded", at=NOON)


def test_a_run_that_failed_does_not_pass(scene: Scene) -> None:
    """The failure says why and how long to wait, whichever of the two events comes first; no incident is opened."""
    take_in(scene, ended_event(RUN, "failed", task_id=TASK))
    assert end_of(scene) is None
    take_in(scene, failed())
    why = "the task failed: openai.RateLimitError: slow down"
    assert end_of(scene) == ProbeEnd(passed=False, why=why, at=NOON, retry_after=90.0)
    with scene.ledger.reading() as tx:
        assert tx.incidents([], 10, None) == []
        assert tx.failure_counts() == {}


def test_a_run_that_comes_again_has_not_ended(scene: Scene) -> None:
    """What the broker will deliver again may still pass."""
    take_in(scene, failed(redelivery=True))
    assert end_of(scene) is None


def test_a_run_under_another_id_is_a_failure_as_ever(scene: Scene) -> None:
    """Only the id that is made of the task's own is a probe's: no failure of work is lost among probes."""
    take_in(scene, failed_event(task_id=TASK, attempt_id=uuid4()))
    with scene.ledger.reading() as tx:
        assert len(tx.incidents([], 10, None)) == 1


def test_ends_go_with_the_rest_that_is_nobodys(scene: Scene) -> None:
    """What was told of a probe's run is dropped by retention."""
    take_in(scene, ended_event(RUN, task_id=TASK))
    with scene.ledger.transaction() as tx:
        tx.purge_remains(NOON, NOON, 100)
    assert end_of(scene) is not None
    with scene.ledger.transaction() as tx:
        assert tx.purge_remains(NOON + timedelta(seconds=1), NOON, 100) == 1
    assert end_of(scene) is None
