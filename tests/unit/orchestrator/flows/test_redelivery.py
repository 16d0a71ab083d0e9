"""Redelivery: what the broker still holds is never redriven, and ends with what the redelivered run brings."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from orchestrator.domain.attempts import AttemptState
from orchestrator.domain.errors import Conflict
from orchestrator.domain.failures import FailureState, Kind, Way
from orchestrator.domain.incidents import IncidentState
from orchestrator.flows.bulk.asking import RetryRequest
from orchestrator.flows.bulk.commanding import command_retry
from orchestrator.flows.publishing import Publishing
from orchestrator.flows.redelivery import give_up_pending
from tests.recovery import NOON, failed_event, redelivered_event
from tests.scene import GRACE, TIMEOUT, Scene

if TYPE_CHECKING:
    from eventbus.wire import Event

WORKER_LOST = {
    "type": "billiard.exceptions.WorkerLostError",
    "message": "the worker process exited with signal 9",
    "traceback": "",
    "chain": [],
    "status": None,
    "retry_after": None,
}


def moment(seconds: float) -> str:
    """Give a time, some seconds after noon, as events have it."""
    return (NOON + timedelta(seconds=seconds)).isoformat()


def lost_event(number: int = 0, *, started: float = 0, **changes: Any) -> Event:
    """Make the event of a run whose worker was killed, and whose message the broker will deliver again."""
    given = {"captured": "worker_killed", "redelivery": True, "exception": WORKER_LOST, "started_at": moment(started)}
    return failed_event(number, **given | changes)


def pending(number: int = 0) -> Scene:
    """Give a scene with one failure that waits for its redelivery."""
    scene = Scene()
    scene.take_in(lost_event(number))
    scene.later(10)
    return scene


def test_what_the_broker_holds_is_no_business_of_the_rules() -> None:
    """Its incident opens and says what it waits for; no trigger, and no plan could move it."""
    scene = pending()
    (stored,) = scene.failures
    assert (stored.state, stored.pending_since, stored.kind) == (
        FailureState.REDELIVERY_PENDING,
        NOON,
        Kind.WORKER_LOST,
    )
    assert (scene.incident.state, scene.incident.captured, scene.triggers()) == (
        IncidentState.OPEN,
        Way.WORKER_KILLED,
        [],
    )
    assert "the broker still holds the message" in (scene.incident.note or "")
    scene.plan()
    scene.later(1000)
    assert (scene.release(), scene.releases) == ([], [])


def test_a_person_is_told_that_the_broker_still_holds_it() -> None:
    """A retry by hand is refused, with since when and how it ends."""
    scene = pending()
    with scene.ledger.transaction() as tx, pytest.raises(Conflict, match=r"still holds, since 2025-11-20T12:00:00"):
        command_retry(tx, RetryRequest("ann", "now", task_id="t0"), uuid4(), scene.now)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_redelivered_run_that_ends_well_recovers_it(swapped: bool) -> None:
    """Heard of before or after the loss: the failure is recovered, its incident closed, and no rule was asked."""
    scene = Scene()
    events = [lost_event(), redelivered_event()]
    scene.later(100)
    for each in reversed(events) if swapped else events:
        scene.take_in(each)
    (stored,) = scene.failures
    assert (stored.state, stored.closed_at) == (FailureState.RECOVERED, NOON + timedelta(seconds=60))
    assert (scene.incident.state, scene.triggers()) == (IncidentState.RECOVERED, [])


def test_an_old_redelivery_says_nothing_of_a_later_run() -> None:
    """A run that began after the redelivered one had ended, and was lost as well, waits for its own."""
    scene = Scene()
    scene.later(100)
    scene.take_in(redelivered_event(seconds=60), lost_event(started=70))
    assert scene.failures[0].state is FailureState.REDELIVERY_PENDING


def test_a_redelivered_run_that_fails_is_an_ordinary_failure() -> None:
    """It joins the incident of failures that look like it, whose rules are told; the one that only waited is closed."""
    scene = pending()
    scene.take_in(failed_event(1))
    scene.take_in(failed_event(0, started_at=moment(5)))
    with scene.ledger.transaction() as tx:
        found = tx.incidents([], 10, None)
        (stored,) = [each for each in scene.failures if each.failure.task_id == "t0"]
        triggers = {each.kind: [sent.trigger for sent in tx.dispatches_of(each.id)] for each in found}
    assert (stored.state, stored.kind, stored.pending_since) == (FailureState.HELD, Kind.TRANSIENT, None)
    assert (stored.reports, stored.ways) == (2, (Way.WORKER_KILLED, Way.EXCEPTION))
    assert {(each.kind, each.closed, each.size) for each in found} == {
        (Kind.TRANSIENT, False, 2),
        (Kind.WORKER_LOST, True, 0),
    }
    assert triggers == {Kind.TRANSIENT: ["redrive.incident_opened"], Kind.WORKER_LOST: []}


def test_a_redelivered_run_that_is_lost_for_good_tells_the_rules_of_its_incident() -> None:
    """The same look, now with nothing left at the broker: held, and the trigger that was not sent before is."""
    scene = pending()
    scene.take_in(lost_event(started=5, redelivery=False))
    assert [each.state for each in scene.failures] == [FailureState.HELD]
    assert (scene.incident.size, scene.incident.note, scene.triggers()) == (1, None, ["incident_opened"])


@pytest.mark.parametrize("swapped", [False, True])
def test_two_who_tell_of_one_run_do_not_end_the_wait_for_it(swapped: bool) -> None:
    """The child did not know that the broker gets the message back, the main process does: whoever comes first."""
    scene = Scene()
    child = failed_event(0, captured="system_exit", started_at=moment(0))
    events = [child, lost_event(captured="system_exit")]
    for each in reversed(events) if swapped else events:
        scene.take_in(each)
    (stored,) = scene.failures
    assert (stored.state, stored.reports) == (FailureState.REDELIVERY_PENDING, 2)


def test_what_the_broker_gives_up_is_held_though_its_last_run_was_said_to_come_again() -> None:
    """The child expects a redelivery; the main process knows that the queue's limit is reached."""
    scene = Scene()
    scene.take_in(lost_event(captured="system_exit"))
    scene.take_in(lost_event(captured="delivery_limit", redelivery=False))
    assert [each.state for each in scene.failures] == [FailureState.HELD]


@pytest.mark.parametrize(
    "told",
    [
        {"captured": "orphaned", "started_at": None, "occurred_at": moment(50)},
        {"captured": "worker_killed", "started_at": moment(0)},
    ],
)
def test_who_only_knows_that_a_run_is_gone_does_not_end_the_wait(told: dict[str, Any]) -> None:
    """A loss that is not known to be another one's leaves the failure with the broker, and counts as evidence."""
    scene = pending()
    scene.take_in(failed_event(0, **{"exception": WORKER_LOST, "redelivery": False, **told}))
    (stored,) = scene.failures
    assert (stored.state, stored.reports) == (FailureState.REDELIVERY_PENDING, 2)


def test_a_loss_that_is_heard_of_late_changes_nothing() -> None:
    """The redelivered run has failed and is held; that the run before it was lost is evidence only."""
    scene = Scene()
    scene.take_in(failed_event(0, started_at=moment(5)), lost_event(started=0))
    (stored,) = scene.failures
    assert (stored.state, stored.failure.captured, stored.reports) == (FailureState.HELD, Way.EXCEPTION, 2)


def test_a_redrive_whose_worker_was_killed_waits_for_the_broker() -> None:
    """The broker delivers the redrive again: no time-out gives it up meanwhile, and its outcome ends the wait."""
    for outcome, state in (("succeeded", FailureState.RECOVERED), ("failed", FailureState.HELD)):
        scene = Scene()
        scene.take_in(failed_event(0))
        scene.plan()
        scene.release()
        scene.later(1)
        (attempt,) = scene.release()
        scene.take_in(lost_event(attempt_id=attempt, started=1))
        assert scene.failures[0].state is FailureState.REDELIVERY_PENDING
        scene.later(TIMEOUT * 2)
        assert scene.reconciler.run_once() == 0
        assert scene.release() == []
        scene.answer([attempt], outcome)
        assert scene.failures[0].state is state


def test_what_never_comes_back_is_listed_as_dead() -> None:
    """Given up with a reason: dead, and its rules are told at last; a redelivery that comes all the same recovers."""
    scene = pending()
    with scene.ledger.transaction() as tx:
        assert tx.pending(NOON, 10) == []
        (stored,) = tx.pending(scene.now, 10)
        give_up_pending(tx, stored, "no redelivery within 10 s", scene.now)
    (stored,) = scene.failures
    assert (stored.state, stored.reason, stored.closed_at) == (
        FailureState.DEAD,
        "no redelivery within 10 s",
        scene.now,
    )
    assert (scene.incident.closed, scene.triggers()) == (False, ["incident_opened"])
    scene.take_in(redelivered_event())
    assert scene.failures[0].state is FailureState.RECOVERED
    assert scene.incident.state is IncidentState.RECOVERED


def test_giving_up_ends_the_redrive_that_the_broker_held() -> None:
    """The attempt is lost, so that its release can end."""
    scene = Scene()
    scene.take_in(failed_event(0))
    scene.plan()
    scene.release()
    scene.later(1)
    (attempt,) = scene.release()
    scene.take_in(lost_event(attempt_id=attempt, started=1))
    with scene.ledger.transaction() as tx:
        give_up_pending(tx, tx.pending(scene.now + timedelta(seconds=1), 10)[0], "so", scene.now)
    assert (scene.attempt(attempt).state, scene.failures[0].state) == (AttemptState.LOST, FailureState.DEAD)


def test_a_redrive_whose_worker_was_killed_is_the_broker_s_though_nobody_noted_its_publish() -> None:
    """The orchestrator died before it noted the publish: the killed run shows it, and none is sent beside it."""
    scene = Scene()
    scene.take_in(failed_event(0))
    scene.plan()
    scene.release()
    scene.later(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Publishing, "_note", lambda *_: None)
        (attempt,) = scene.release()
    assert scene.attempt(attempt).state is AttemptState.RECORDED
    scene.take_in(lost_event(attempt_id=attempt, started=1))
    scene.later(GRACE + 1)
    assert scene.reconciler.run_once() == 0
    assert scene.failures[0].state is FailureState.REDELIVERY_PENDING
    scene.later(1000)
    assert scene.release() == []


def test_a_redelivered_run_that_fails_after_it_was_given_up_is_held() -> None:
    """However late the broker brings it: what it failed of is known now, and a plan may move it."""
    scene = pending()
    with scene.ledger.transaction() as tx:
        (stored,) = tx.pending(scene.now, 10)
        give_up_pending(tx, stored, "never came", scene.now)
    scene.later(100)
    scene.take_in(lost_event(started=3))
    assert scene.failures[0].state is FailureState.DEAD
    scene.take_in(failed_event(0, started_at=moment(5), occurred_at=moment(90)))
    held = scene.failures[0]
    assert (held.state, held.reason, held.kind) == (FailureState.HELD, None, Kind.TRANSIENT)
    scene.take_in(failed_event(0, started_at=moment(5), occurred_at=moment(90)))
    assert scene.failures[0].state is FailureState.HELD
