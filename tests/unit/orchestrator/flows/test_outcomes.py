"""Outcomes: a redriven run that ended well recovers its failure, whenever it is heard of; a second run is counted."""

from __future__ import annotations

import pytest

from orchestrator.domain.attempts import AttemptState, Outcome
from orchestrator.domain.failures import FailureState
from orchestrator.domain.incidents import IncidentState
from orchestrator.domain.moment import Moment
from orchestrator.domain.plan import Gate, Pace
from orchestrator.domain.release import ReleaseState
from orchestrator.flows.outcomes import close_if_recovered, record_outcome
from orchestrator.flows.reading import failure_data
from tests.recovery import ended_event, failed_event, move
from tests.scene import TIMEOUT, Scene


def flying(failures: int = 1, max_tries: int = 2) -> Scene:
    """Give a scene with the canary of an incident in flight."""
    scene = Scene()
    scene.take_in(*(failed_event(number) for number in range(failures)))
    scene.plan(pace=Pace(5), gate=Gate(first_after=1, max_tries=max_tries))
    scene.release()
    scene.later(1)
    assert len(scene.release()) == 1
    return scene


def test_a_success_recovers_the_failure_and_closes_the_incident() -> None:
    """The last success closes the incident; world and rules are told, these with the first failure whole."""
    scene = flying()
    attempt = scene.redriver.published[0][1]
    scene.answer([attempt])
    assert (scene.attempt(attempt).state, scene.attempt(attempt).ended_at) == (AttemptState.SUCCEEDED, scene.now)
    assert scene.failures[0].state is FailureState.RECOVERED
    incident = scene.incident
    assert (incident.state, incident.closed_at, incident.note) == (IncidentState.RECOVERED, scene.now, None)
    assert scene.outbox()[-1] == "redrive.incident.closed.v1"
    (told,) = [each.payload for each in scene.dispatches if each.trigger == "redrive.incident_recovered"]
    assert told["failure"] == failure_data(scene.failures[0].failure)
    assert told["size"] == 1


def test_the_same_outcome_event_again_changes_nothing() -> None:
    """An outcome that is delivered twice is heard once."""
    scene = flying(2)
    event = ended_event(scene.redriver.published[0][1])
    scene.take_in(event)
    before = (scene.incident, scene.releases, scene.failures, scene.outbox())
    scene.take_in(event, event)
    assert (scene.incident, scene.releases, scene.failures, scene.outbox()) == before
    assert scene.attempt(scene.redriver.published[0][1]).duplicates == 0


def test_a_failing_run_that_reports_twice_is_one_outcome() -> None:
    """The failure event and the end of a failing run, in either order, fail the attempt once and count no duplicate."""
    for swapped in (False, True):
        scene = flying()
        attempt = scene.redriver.published[0][1]
        reports = [failed_event(attempt_id=attempt), ended_event(attempt, "failed")]
        scene.take_in(*reversed(reports) if swapped else reports)
        assert (scene.attempt(attempt).state, scene.attempt(attempt).duplicates) == (AttemptState.FAILED, 0)
        assert scene.releases[0].tries == 1
        assert scene.failures[0].state is FailureState.HELD


@pytest.mark.parametrize(("outcome", "duplicates"), [("succeeded", 1), ("failed", 1), ("skipped", 0)])
def test_a_second_run_of_an_attempt_that_succeeded_is_counted(outcome: str, duplicates: int) -> None:
    """Whatever a second run brings, the failure stays recovered; a run that the worker skipped was none."""
    scene = flying()
    attempt = scene.redriver.published[0][1]
    scene.answer([attempt])
    scene.take_in(failed_event(attempt_id=attempt))
    scene.answer([attempt], outcome)
    assert (scene.attempt(attempt).state, scene.attempt(attempt).duplicates) == (AttemptState.SUCCEEDED, duplicates)
    assert scene.failures[0].state is FailureState.RECOVERED
    assert scene.incident.state is IncidentState.RECOVERED


def test_a_skipped_run_is_a_success_that_was_not_heard_of() -> None:
    """A worker skips a run whose success it knows: an attempt that still waits for its outcome has it now."""
    scene = flying()
    attempt = scene.redriver.published[0][1]
    scene.answer([attempt], "skipped")
    assert (scene.attempt(attempt).state, scene.attempt(attempt).duplicates) == (AttemptState.SUCCEEDED, 0)
    assert scene.incident.state is IncidentState.RECOVERED


def test_a_success_after_a_failure_of_the_same_attempt_recovers_without_another_run() -> None:
    """Published twice, failed once, succeeded once: the task has run well, so it is not run again."""
    scene = flying()
    attempt = scene.redriver.published[0][1]
    scene.answer([attempt], "failed")
    scene.answer([attempt])
    assert (scene.attempt(attempt).state, scene.attempt(attempt).duplicates) == (AttemptState.FAILED, 1)
    assert scene.incident.state is IncidentState.RECOVERED
    scene.later(1000)
    assert scene.release() == []


def lost(scene: Scene) -> None:
    """Let the outcome of everything in flight be given up."""
    scene.later(TIMEOUT + 1)
    scene.reconciler.run_once()


def test_a_lost_attempt_that_succeeds_late_recovers_its_failure() -> None:
    """An outcome that comes after the time-out is no duplicate: the failure is recovered, and goes out no more."""
    scene = flying()
    attempt = scene.redriver.published[0][1]
    lost(scene)
    scene.answer([attempt])
    assert (scene.attempt(attempt).state, scene.attempt(attempt).duplicates) == (AttemptState.SUCCEEDED, 0)
    assert scene.incident.state is IncidentState.RECOVERED
    scene.later(1000)
    assert scene.release() == []


def test_a_lost_attempt_that_fails_late_is_known_to_have_failed() -> None:
    """A failure that comes after the time-out is told with its reason and changes nothing else."""
    scene = flying()
    attempt = scene.redriver.published[0][1]
    lost(scene)
    scene.take_in(failed_event(attempt_id=attempt))
    assert scene.attempt(attempt).state is AttemptState.FAILED
    assert scene.failures[0].state is FailureState.HELD


@pytest.mark.parametrize(("second", "duplicates"), [("succeeded", 1), ("failed", 0)])
def test_a_late_success_is_not_undone_by_the_attempt_that_followed(second: str, duplicates: int) -> None:
    """Lost, tried again, then the first is heard of: what the second brings leaves the failure recovered."""
    scene = flying(2, max_tries=9)
    first = scene.redriver.published[0][1]
    lost(scene)
    scene.later(1000)
    (again,) = scene.release()
    scene.answer([first])
    assert scene.failures[0].state is FailureState.RECOVERED
    scene.answer([again], second)
    assert scene.failures[0].state is FailureState.RECOVERED
    assert scene.attempt(again).duplicates == duplicates


def test_an_attempt_that_is_needed_no_more_is_not_published() -> None:
    """Recorded while the bus was away, and its failure has recovered since: it is given up, and the release can end."""
    scene = flying()
    first = scene.redriver.published[0][1]
    lost(scene)
    scene.later(1000)
    with scene.ledger.transaction() as tx:
        (release,) = tx.active_releases()
    scene.redriver.failing_with = Unpublished()
    with pytest.raises(Unpublished):
        scene.release()
    scene.redriver.failing_with = None
    scene.answer([first])
    scene.later(1000)
    assert scene.reconciler.run_once() == 0
    assert len(scene.redriver.published) == 1
    scene.release()
    with scene.ledger.transaction() as tx:
        ended = tx.release(release.id)
    assert ended is not None
    assert ended.state is ReleaseState.SUCCEEDED


class Unpublished(BaseException):
    """The process dies before the publish."""


def test_an_outcome_for_a_release_that_has_ended_still_counts() -> None:
    """After its release gave up, a late success takes the failure back from the dead and closes the incident."""
    scene = flying()
    scene.answer([scene.redriver.published[0][1]], "failed")
    scene.later(1000)
    (last,) = scene.release()
    lost(scene)
    scene.release()
    assert scene.failures[0].state is FailureState.DEAD
    assert scene.releases[0].state is ReleaseState.FAILED
    scene.answer([last])
    assert scene.failures[0].state is FailureState.RECOVERED
    assert scene.incident.state is IncidentState.RECOVERED
    assert scene.releases[0].state is ReleaseState.FAILED


def test_an_incident_with_dead_failures_is_not_called_recovered() -> None:
    """What is dead waits for a person, and the incident says how many do; when the last is recovered, it closes."""
    scene = flying(3)
    with scene.ledger.transaction() as tx:
        move(tx, [each.failure.id for each in scene.failures[1:]], FailureState.DEAD)
    scene.answer([scene.redriver.published[0][1]])
    assert not scene.incident.closed
    assert scene.incident.note == "2 failures are listed as dead and wait for a person (POST /recovery/retry)"
    with scene.ledger.transaction() as tx:
        move(tx, [each.failure.id for each in scene.failures], FailureState.RECOVERED)
        close_if_recovered(tx, tx.incidents([], 1, None)[0].id, scene.now)
    assert scene.incident.state is IncidentState.RECOVERED


def test_closing_is_done_once() -> None:
    """An incident that is closed, or that nobody knows, is left as it is."""
    scene = flying()
    scene.answer([scene.redriver.published[0][1]])
    before = (scene.incident, scene.outbox(), scene.triggers())
    with scene.ledger.transaction() as tx:
        close_if_recovered(tx, before[0].id, scene.now)
        close_if_recovered(tx, scene.redriver.published[0][1], scene.now)
        record_outcome(tx, before[0].id, Outcome(), Moment(scene.now, 0.5))
    assert (scene.incident, scene.outbox(), scene.triggers()) == before


def test_a_new_failure_after_the_close_opens_an_incident_of_its_own() -> None:
    """A closed incident takes nothing in: the same signature opens another one, with a trigger of its own."""
    scene = flying()
    closed = scene.incident.id
    scene.answer([scene.redriver.published[0][1]])
    scene.later(10)
    scene.take_in(failed_event(7))
    assert len(scene.incidents) == 2
    assert (scene.incident.id == closed, scene.incident.size, scene.triggers()) == (False, 1, ["incident_opened"])
