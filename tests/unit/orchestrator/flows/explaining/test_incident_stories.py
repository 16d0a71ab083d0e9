"""Stories of incidents: alerts, who knew of them, plans that came and went, what is gone; and what postmortems add."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import orjson
import pytest

from orchestrator.domain.alerts import Alert, AlertState, Raised
from orchestrator.domain.dispatches import DispatchState
from orchestrator.domain.failures import FailureState
from orchestrator.domain.incidents import IncidentState, Trigger
from orchestrator.domain.plan import PlanName
from orchestrator.flows.bulk.asking import RetryRequest
from orchestrator.flows.bulk.commanding import command_retry
from orchestrator.flows.explaining.finding import story_of
from orchestrator.flows.explaining.known import Known
from orchestrator.flows.explaining.postmortem import postmortem_of
from tests.recovery import NOON, dispatch, failed_event, move
from tests.scene import Scene

if TYPE_CHECKING:
    from orchestrator.domain.story import Story


@pytest.fixture
def scene() -> Scene:
    """A scene with one incident of three failures."""
    made = Scene()
    made.take_in(*map(failed_event, range(3)))
    return made


def story(scene: Scene) -> Story:
    """Tell the story of the newest incident."""
    with scene.ledger.reading() as tx:
        found = story_of(tx, str(scene.incident.id), Known(scene.now))
    assert found is not None
    return found


def texts(scene: Scene, what: str) -> list[str]:
    """Give the texts of the steps of one sort."""
    return [each.text for each in story(scene).steps if each.what == what]


def test_an_alert_is_told_with_each_of_its_levels(scene: Scene) -> None:
    """Which level of which ladder, when somebody answered, when it was over."""
    levels = (Raised(1, "team", NOON + timedelta(seconds=60)), Raised(2, "lead", NOON + timedelta(seconds=900)))
    known = {"acknowledged_at": NOON + timedelta(seconds=990), "acknowledged_by": "ann"}
    alert = Alert(uuid4(), "default", NOON, NOON, state=AlertState.ACKNOWLEDGED, raised=levels, **known)
    with scene.ledger.transaction() as tx:
        tx.save_alert(alert)
        tx.join_alert(alert.id, scene.incident.id)
    assert texts(scene, "alert.raised") == [
        "alert: level 1 (team) of ladder default told",
        "alert: level 2 (lead) of ladder default told",
    ]
    assert texts(scene, "alert.acknowledged") == ["alert acknowledged by ann"]
    with scene.ledger.reading() as tx:
        found = postmortem_of(tx, scene.incident, Known(scene.now), None).detection
    assert (found.seconds_to_tell, found.seconds_to_acknowledge, found.acknowledged_by) == (60.0, 990.0, "ann")


def test_a_plan_that_another_one_replaced_is_told_too(scene: Scene) -> None:
    """Each when it was accepted, as the audit has it; the former is said not to be the plan any more."""
    scene.plan(name=PlanName.ESCALATE, execution_id="e-1", reason="look at it")
    scene.later(60)
    scene.plan(execution_id="e-2")
    former, present = (each for each in story(scene).steps if each.what == "plan.accepted")
    assert (former.at, former.execution_id) == (NOON, "e-1")
    assert former.text == "plan escalate: look at it; not the plan any more"
    assert (present.at, present.execution_id) == (NOON + timedelta(seconds=60), "e-2")
    assert present.text.startswith("plan retry: it passes by itself")


def test_what_may_not_run_twice_is_a_person_s_until_they_ask() -> None:
    """A plan does not move it: the story says how a person does, and stops saying so once somebody has."""
    scene = Scene()
    scene.take_in(failed_event(declaration={"dependency": None}))
    scene.plan(execution_id="e-1")
    by_hand = f"redrive retry --incident {scene.incident.id} --reason WHY"
    assert story(scene).now.command == by_hand
    asked = RetryRequest("ann", "it is back", incident_id=scene.incident.id)
    with scene.ledger.transaction() as tx:
        command_retry(tx, asked, uuid4(), scene.now)
    assert story(scene).now.command != by_hand


def test_dead_failures_are_a_person_s(scene: Scene) -> None:
    """An incident of which only dead ones are left says so, and how to redrive them."""
    with scene.ledger.transaction() as tx:
        move(tx, [each.failure.id for each in scene.failures], FailureState.DEAD)
    now = story(scene).now
    assert now.next == "nothing happens by itself: a person has to decide"
    assert now.command == f"redrive retry --incident {scene.incident.id} --reason WHY"
    with scene.ledger.reading() as tx:
        found = postmortem_of(tx, scene.incident, Known(scene.now), None)
    assert "3 failures stayed dead" in found.gaps
    assert any(each.startswith("3 failures listed as dead: redrive retry") for each in found.follow_ups)


def test_what_is_gone_is_said_to_be_gone(scene: Scene) -> None:
    """A closed incident with fewer rows than failures says how many are missing, and the postmortem too."""
    with scene.ledger.transaction() as tx:
        closed = replace(scene.incident, state=IncidentState.RECOVERED, closed_at=scene.now, size=10)
        tx.save_incident(closed)
    told = "7 failures of 10 not recorded any more: taken by retention, or opened again elsewhere"
    assert story(scene).gone == (told,)


def test_a_trigger_that_no_rule_answered_is_a_follow_up(scene: Scene) -> None:
    """It names the trigger and why nothing answered."""
    with scene.ledger.transaction() as tx:
        (asked,) = tx.dispatches_of(scene.incident.id)
        tx.save_dispatch(replace(asked, state=DispatchState.NO_RULE, note="rule redrive.retry is off"))
    with scene.ledger.reading() as tx:
        found = postmortem_of(tx, scene.incident, Known(scene.now), None)
    assert any("had no answer (rule redrive.retry is off)" in each for each in found.follow_ups)


def test_a_trigger_that_asks_for_no_decision_is_no_gap(scene: Scene) -> None:
    """Only what asks for a decision is followed up, once for each sort; in the story, too, the others are noise."""
    incident = scene.incident.id
    silent = [Trigger.INCIDENT_GREW, Trigger.INCIDENT_RECOVERED, Trigger.RELEASE_SUCCEEDED, Trigger.RELEASE_FAILED]
    asking = [Trigger.INCIDENT_RECLASSIFIED, Trigger.INCIDENT_RECLASSIFIED, Trigger.ATTEMPTS_EXHAUSTED]
    with scene.ledger.transaction() as tx:
        for each in (*silent, *asking):
            tx.add_dispatch(dispatch(incident, trigger=str(each), state=DispatchState.NO_RULE, note="it is off"))
        tx.add_dispatch(dispatch(incident, trigger=str(Trigger.INCIDENT_GREW), rules=("redrive.escalate_grown",)))
    with scene.ledger.reading() as tx:
        found = postmortem_of(tx, scene.incident, Known(scene.now), None)
    assert sorted(each.partition(" (")[0] for each in found.follow_ups if each.startswith("trigger")) == [
        "trigger redrive.attempts_exhausted had no answer",
        "trigger redrive.incident_reclassified had no answer",
    ]
    told = [each.text for each in story(scene).steps if each.text.startswith("trigger")]
    assert [each for each in told if "grew" in each] == [
        "trigger incident_grew: rule redrive.escalate_grown fired; execution (none yet) runs"
    ]
    assert not any(name in each for each in told for name in ("recovered", "release_"))


def test_runs_too_many_are_counted_and_followed_up(scene: Scene) -> None:
    """A redrive that was told twice to have gone well ran twice."""
    scene.plan()
    scene.release()
    scene.later(5)
    out = scene.release()
    scene.answer(out)
    scene.answer(out)
    with scene.ledger.reading() as tx:
        found = postmortem_of(tx, scene.incident, Known(scene.now), None)
    assert found.tried.duplicates == 1
    assert any("1 run too many" in each for each in found.gaps)
    assert any("ran twice" in each for each in found.follow_ups)


def test_a_chord_that_failed_with_its_task_is_told() -> None:
    """Celery has failed it: a redrive stores a result, and no body runs by itself."""
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": {"task": "app.sum", "options": {}}}
    message = failed_event().data["message"] | {"body": b64encode(orjson.dumps([[1], {}, embed])).decode()}
    scene = Scene()
    scene.take_in(failed_event(0, message=message))
    with scene.ledger.reading() as tx:
        found = story_of(tx, "t0", Known(scene.now))
    assert found is not None
    (told,) = (each.text for each in found.steps if each.what == "canvas.failed")
    assert "part of a chord (body: app.sum)" in told
