"""Evidence: the same failure reported again is one failure, better known; after it has closed it is opened again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.domain.failures import FailureState, Kind, Way
from orchestrator.domain.incidents import IncidentState
from orchestrator.domain.plan import Pace
from tests.recovery import NOON, ended_event, failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from uuid import UUID

    from eventbus.wire import Event

KILLED = {
    "type": "billiard.exceptions.WorkerLostError",
    "message": "exit code 9",
    "traceback": "",
    "chain": [],
    "status": None,
    "retry_after": None,
}


def moment(seconds: float) -> str:
    """Give a time, some seconds after noon, as events have it."""
    return (NOON + timedelta(seconds=seconds)).isoformat()


def killed_event(number: int = 0, **changes: Any) -> Event:
    """Make the event of a run whose child was killed."""
    return failed_event(number, **{"captured": "child_killed", "exception": KILLED, **changes})


def recovered() -> Scene:
    """Give a scene in which the failure of t0 was redriven and has recovered, 2 s after noon."""
    scene = Scene()
    scene.take_in(failed_event())
    scene.plan()
    scene.release()
    scene.later(1)
    (attempt,) = scene.release()
    scene.later(1)
    scene.take_in(ended_event(attempt, ended_at=moment(2)))
    scene.release()
    assert scene.incident.state is IncidentState.RECOVERED
    return scene


def test_the_same_failure_from_child_and_parent_is_one() -> None:
    """Two events of one run: one failure, one in its incident, and both reports counted."""
    scene = Scene()
    scene.take_in(failed_event(), killed_event())
    (stored,) = scene.failures
    assert (stored.reports, stored.ways, stored.kind) == (2, (Way.EXCEPTION, Way.CHILD_KILLED), Kind.TRANSIENT)
    assert (scene.incident.size, scene.triggers()) == (1, ["incident_opened"])


def test_better_evidence_asks_the_rules_again() -> None:
    """A killed child, then the reason: the incident has the new kind, another revision, no plan; its rules are told."""
    scene = Scene()
    scene.take_in(killed_event())
    scene.plan()
    scene.take_in(failed_event())
    incident = scene.incident
    assert (incident.kind, incident.why) == (Kind.TRANSIENT, "the dependency answered 503 [http-status]")
    assert (incident.captured, incident.revision) == (Way.EXCEPTION, 3)
    assert (incident.state, incident.plan) == (IncidentState.OPEN, None)
    assert "the kind was worker_lost, and is transient" in (incident.note or "")
    assert scene.triggers() == ["incident_opened", "incident_reclassified"]
    told = scene.dispatches[1].payload
    assert (told["kind"], told["captured"], told["revision"]) == ("transient", "exception", 3)
    assert told["failure"]["exception"]["type"] == "requests.HTTPError"


def test_nothing_moves_between_a_new_kind_and_the_plan_for_it() -> None:
    """The release under the old plan sends nothing before the rules have decided anew, and then goes on."""
    scene = Scene()
    scene.take_in(killed_event())
    scene.plan()
    scene.release()
    scene.take_in(failed_event())
    scene.later(100)
    assert scene.release() == []
    scene.plan()
    sent = scene.release()
    scene.later(100)
    assert len([*sent, *scene.release()]) == 1


def test_a_reclassified_incident_with_nothing_left_to_move_asks_nobody() -> None:
    """What has recovered in the meantime needs no other plan; an incident of others keeps the kind of most."""
    scene = recovered()
    before = scene.triggers()
    scene.take_in(failed_event(0, captured="delivery_limit"))
    assert scene.triggers() == before
    others = Scene()
    others.take_in(*(failed_event(number) for number in range(3)))
    others.take_in(failed_event(0, captured="delivery_limit"))
    assert (others.incident.kind, others.incident.revision) == (Kind.TRANSIENT, 1)
    assert others.triggers() == ["incident_opened"]


def test_a_task_that_fails_again_after_its_recovery_is_a_failure_again() -> None:
    """A run that began after the close opens it again, in an incident of its own; attempts are numbered on."""
    scene = recovered()
    first = scene.incident.id
    scene.later(60)
    scene.take_in(failed_event(0, started_at=moment(50), occurred_at=moment(51)))
    assert (scene.incident.id == first, scene.incident.size, scene.triggers()) == (False, 1, ["incident_opened"])
    (stored,) = scene.failures
    assert (stored.state, stored.openings, stored.reports) == (FailureState.HELD, 2, 2)
    scene.plan()
    scene.release()
    scene.later(1)
    (attempt,) = scene.release()
    assert (scene.attempt(attempt).number, scene.attempt(attempt).turn) == (2, 1)
    scene.take_in(ended_event(attempt, ended_at=moment(62)))
    assert scene.incident.state is IncidentState.RECOVERED
    with scene.ledger.transaction() as tx:
        told = tx.first_retry()
        assert (told.first_attempts, told.first_successes) == (2, 2)
        assert tx.failure_counts() == {"recovered": 2}
        assert tx.tallies(scene.now).failures == {"transient": 2}


def test_a_late_report_of_the_run_that_failed_reopens_nothing() -> None:
    """What began before the recovery is evidence, however late it comes."""
    scene = recovered()
    scene.later(600)
    scene.take_in(failed_event(0, started_at=moment(0.5)), killed_event(0, occurred_at=moment(2)))
    (stored,) = scene.failures
    assert (stored.state, stored.reports, stored.openings) == (FailureState.RECOVERED, 3, 1)
    assert len(scene.incidents) == 1


def test_what_died_and_fails_again_is_opened_again_too() -> None:
    """The dead failure is taken up by the new run; its former incident, of which nothing is left, closes."""
    scene = Scene()
    scene.take_in(failed_event(0, message=missing()))
    scene.later(60)
    scene.take_in(failed_event(0, started_at=moment(50), exception=KILLED))
    old, new = sorted(scene.incidents, key=lambda each: each.closed, reverse=True)
    assert (old.closed, new.closed, new.size) == (True, False, 1)
    with scene.ledger.transaction() as tx:
        assert tx.failure_counts() == {"dead": 1, "held": 1}


def test_an_old_redrive_says_nothing_of_the_new_opening() -> None:
    """A success of a former opening that is heard of again leaves what failed since alone."""
    scene = recovered()
    old = scene.redriver.published[0][1]
    scene.later(60)
    scene.take_in(failed_event(0, started_at=moment(50)))
    scene.take_in(ended_event(old), ended_event(old, "failed"))
    assert scene.failures[0].state is FailureState.HELD
    assert scene.attempt(old).duplicates == 2


def test_a_run_that_failed_after_the_success_that_is_heard_of_late_stays_a_failure() -> None:
    """Sent again under its id while its redrive's outcome was under way: the success recovers the run before alone."""
    scene = Scene()
    scene.take_in(failed_event())
    scene.plan()
    scene.release()
    scene.later(1)
    (attempt,) = scene.release()
    scene.later(60)
    scene.take_in(failed_event(0, started_at=moment(30)))
    scene.take_in(ended_event(attempt, ended_at=moment(2)))
    assert scene.failures[0].state is FailureState.HELD
    assert not scene.incident.closed


def missing() -> dict[str, Any]:
    """Give a message of which nothing but its place is known."""
    nothing: dict[str, Any] = {"headers": {}, "properties": {}, "body": "", "content_type": "", "content_encoding": ""}
    return nothing | {"exchange": "", "routing_key": "celery", "missing": True}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"message": missing()}, "never reached Redrive"),
        ({"captured": "expired"}, "expired"),
        ({"message": missing() | {"missing": False, "redacted": ["args.0"]}}, "args.0"),
        ({"message": missing() | {"missing": False, "sealed": "x"}}, "key"),
    ],
)
def test_what_cannot_be_redriven_is_listed_with_the_reason(changes: dict[str, Any], why: str) -> None:
    """Dead from the first: its incident is open, its rules are told, it is counted, and no release moves it."""
    scene = Scene()
    scene.take_in(failed_event(0, **changes))
    (stored,) = scene.failures
    assert stored.state is FailureState.DEAD
    assert why in (stored.reason or "")
    assert (scene.incident.closed, scene.triggers()) == (False, ["incident_opened"])
    scene.plan()
    scene.later(100)
    assert scene.release() == []
    with scene.ledger.transaction() as tx:
        assert tx.dead_failures(scene.incident.id) == 1


def test_evidence_that_brings_the_message_makes_it_movable() -> None:
    """Dead for the want of its message, then found: held, and redriven by the plan that its incident has."""
    scene = Scene()
    scene.take_in(killed_event(0, message=missing()))
    scene.plan()
    scene.take_in(killed_event())
    assert scene.failures[0].state is FailureState.HELD
    scene.release()
    scene.later(100)
    assert len(scene.release()) == 1


def sent(scene: Scene) -> list[UUID]:
    """Plan the newest incident, and let what may go out."""
    scene.plan(pace=Pace(5))
    out = scene.release()
    scene.later(1)
    return [*out, *scene.release()]


def test_a_second_kill_makes_a_task_poison() -> None:
    """Its worker was killed, it was redriven, and killed its worker again: dead, as poison, and it runs no more."""
    scene = Scene()
    scene.take_in(killed_event())
    (attempt,) = sent(scene)
    scene.take_in(killed_event(attempt_id=attempt), ended_event(attempt, "failed"))
    (stored,) = scene.failures
    assert (stored.kind, stored.state) == (Kind.POISON, FailureState.DEAD)
    assert "lost again when it was redriven (child_killed)" in (stored.reason or "")
    scene.later(1000)
    assert scene.release() == []
    assert not scene.incident.closed


@pytest.mark.parametrize(
    ("first", "second"),
    [("exception", "child_killed"), ("child_killed", "exception"), ("child_killed", "cold_shutdown")],
)
def test_one_kill_is_no_poison(first: str, second: str) -> None:
    """A task that failed otherwise once, or whose worker was told to stop, is held and may be tried again."""
    scene = Scene()
    scene.take_in(killed_event(captured=first))
    (attempt,) = sent(scene)
    scene.take_in(killed_event(captured=second, attempt_id=attempt))
    assert scene.failures[0].state is FailureState.HELD


def test_what_may_take_its_worker_along_is_redriven_alone() -> None:
    """Of failures whose worker was lost one redrive is out at a time, whatever the pace of the plan."""
    scene = Scene()
    scene.take_in(*(killed_event(number) for number in range(4)))
    (first,) = sent(scene)
    for _ in range(3):
        scene.take_in(ended_event(first, ended_at=scene.now.isoformat()))
        (first,) = scene.release()
        assert scene.release() == []


def test_each_failure_goes_by_its_own_declaration() -> None:
    """Of one incident, those goes that may run twice; the others wait for a person, and the incident says so."""
    careless = {"declaration": {"dependency": "model", "idempotent": False}}
    for first in (True, False):
        scene = Scene()
        scene.take_in(failed_event(0, **({} if first else careless)))
        scene.plan(pace=Pace(5))
        scene.take_in(failed_event(1, **(careless if first else {})))
        assert (scene.incident.state, "wait for a person" in (scene.incident.note or "")) == (
            IncidentState.PLANNED,
            True,
        )
        scene.release()
        scene.later(1)
        (attempt,) = scene.release()
        assert scene.attempt(attempt).task_id == ("t0" if first else "t1")
        scene.take_in(ended_event(attempt, ended_at=scene.now.isoformat()))
        scene.later(1000)
        assert scene.release() == []
        assert not scene.incident.closed
