"""Failed ends: that a redrive failed is heard by one queue, with what it failed by another; the second one decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from orchestrator.domain.attempts import AttemptState
from orchestrator.domain.failures import FailureState, Kind
from orchestrator.domain.plan import Gate, Pace
from orchestrator.flows.outcomes import UNEXPLAINED
from tests.recovery import ended_event, failed_event
from tests.scene import GRACE, Scene

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from eventbus.wire import Event

TOO_MANY = {"type": "requests.HTTPError", "message": "429", "traceback": "", "chain": [], "status": 429}
WRONG = {"type": "ValueError", "message": "no such id", "traceback": "", "chain": [], "status": None}


def flying(failures: int = 2) -> tuple[Scene, UUID]:
    """Give a scene with its canary in flight."""
    scene = Scene()
    scene.take_in(*(failed_event(number) for number in range(failures)))
    scene.plan(pace=Pace(5), gate=Gate(first_after=1, max_tries=3))
    scene.release()
    scene.later(1)
    (canary,) = scene.release()
    return scene, canary


def reports(scene: Scene, canary: UUID, exception: dict[str, object], *, end_first: bool) -> Sequence[Event]:
    """Give the two reports of a run that failed now, in one order or the other."""
    told = {"retry_after": None, **exception}
    failure = failed_event(attempt_id=canary, exception=told, occurred_at=scene.now.isoformat())
    end = ended_event(canary, "failed")
    return (end, failure) if end_first else (failure, end)


def standing(exception: dict[str, object], *, end_first: bool) -> tuple[object, ...]:
    """Tell where everything stands after a canary that failed, its reports heard a second apart."""
    scene, canary = flying()
    for event in reports(scene, canary, exception, end_first=end_first):
        scene.take_in(event)
    with scene.ledger.reading() as tx:
        dependency, ramp = tx.dependency("model"), tx.ramp("model")
        failures = [(each.state, each.kind, each.tries) for each in map(tx.failure, ids(scene)) if each]
    assert dependency
    assert ramp
    attempt = scene.attempt(canary)
    told = (attempt.state, attempt.reason, attempt.ended_at, attempt.duplicates)
    return told, failures, (dependency.not_before, dependency.failures), (ramp.phase, ramp.tries, ramp.gate_at)


def ids(scene: Scene) -> list[UUID]:
    """Give the ids of all failures, whatever incident they are filed under."""
    with scene.ledger.reading() as tx:
        found = [each for incident in tx.incidents([], 10, None) for each in tx.failures_of(incident.id, 10)]
    return sorted(each.failure.id for each in found)


@pytest.mark.parametrize("exception", [TOO_MANY | {"retry_after": 300}, WRONG], ids=["429", "permanent"])
def test_the_order_of_the_two_reports_changes_nothing(exception: dict[str, object]) -> None:
    """An end that overtakes its failure event loses neither kind nor Retry-After."""
    assert standing(exception, end_first=True) == standing(exception, end_first=False)


def test_a_retry_after_is_kept_where_the_end_came_first() -> None:
    """No canary goes before the time for which the dependency asked."""
    scene, canary = flying()
    for event in reports(scene, canary, TOO_MANY | {"retry_after": 300}, end_first=True):
        scene.take_in(event)
    asked = scene.now + timedelta(seconds=300)
    while scene.now < asked - timedelta(seconds=10):
        scene.later(10)
        assert scene.release() == []
    with scene.ledger.reading() as tx:
        dependency = tx.dependency("model")
    assert dependency
    assert dependency.not_before == asked


def test_what_is_permanent_does_not_go_again_where_the_end_came_first() -> None:
    """Between the two reports nothing goes; after them the failure is filed as what it is."""
    scene, canary = flying()
    end, failure = reports(scene, canary, WRONG, end_first=True)
    scene.take_in(end)
    scene.later(GRACE - 1)
    assert scene.reconciler.run_once() == 0
    assert scene.release() == []
    assert scene.attempt(canary).state is AttemptState.PUBLISHED
    scene.take_in(failure)
    with scene.ledger.reading() as tx:
        stored = tx.failure(scene.attempt(canary).failure_id)
    assert stored
    assert (stored.state, stored.kind) == (FailureState.HELD, Kind.PERMANENT)


def test_an_end_whose_failure_event_never_comes_ends_its_attempt() -> None:
    """After the grace the redrive counts as failed, by what its incident is; a restart in between changes nothing."""
    scene, canary = flying()
    scene.take_in(ended_event(canary, "failed"))
    again = Scene(ledger=scene.ledger, now=scene.now)
    again.later(GRACE)
    assert again.reconciler.run_once() == 0
    again.later(1)
    assert again.reconciler.run_once() == 1
    assert (again.attempt(canary).state, again.attempt(canary).reason) == (AttemptState.FAILED, UNEXPLAINED)
    assert {each.state for each in again.failures} == {FailureState.HELD}
    assert again.releases[0].tries == 1
    assert again.reconciler.run_once() == 0


def test_an_end_before_its_publish_was_noted_publishes_nothing_again() -> None:
    """A publisher that died after the publish left the attempt as recorded: its run's end shows that it was."""
    scene, canary = flying()
    with scene.ledger.transaction() as tx:
        attempt = tx.attempt(canary)
        assert attempt
        tx.save_attempt(replace(attempt, state=AttemptState.RECORDED, published_at=None))
    scene.take_in(ended_event(canary, "failed"))
    sent = len(scene.redriver.published)
    scene.later(GRACE + 1)
    scene.reconciler.run_once()
    assert len(scene.redriver.published) == sent
    assert scene.attempt(canary).state is AttemptState.FAILED


def test_a_run_that_went_well_after_one_that_failed_is_a_second_run() -> None:
    """Its failure is recovered, and the failure event that comes last changes nothing."""
    scene, canary = flying()
    scene.take_in(ended_event(canary, "failed"), ended_event(canary), failed_event(attempt_id=canary))
    assert (scene.attempt(canary).state, scene.attempt(canary).duplicates) == (AttemptState.SUCCEEDED, 1)
    with scene.ledger.reading() as tx:
        stored = tx.failure(scene.attempt(canary).failure_id)
    assert stored
    assert stored.state is FailureState.RECOVERED
