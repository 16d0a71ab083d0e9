"""Recording: failures that look alike join one incident, which is told of when it opens and when it has grown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.failures import Kind
from orchestrator.domain.incidents import IncidentState
from orchestrator.domain.plan import PlanName
from orchestrator.flows.recording import Recorder
from tests.recovery import failed_event, failure
from tests.scene import Scene


def test_failures_that_look_alike_are_one_incident() -> None:
    """Messages that differ in a number are one signature: one incident, one trigger, however many come."""
    scene = Scene()
    scene.take_in(*(failed_event(number) for number in range(25)))
    (incident,) = scene.incidents
    assert (incident.size, incident.revision, incident.state) == (25, 1, IncidentState.OPEN)
    assert (incident.kind, incident.why) == (Kind.TRANSIENT, "the dependency answered 503")
    assert incident.first_failure_id == scene.failures[0].failure.id
    assert scene.triggers() == ["incident_opened"]
    assert scene.outbox() == ["redrive.incident.opened.v1"]


def test_another_task_exception_or_dependency_is_another_incident() -> None:
    """Task, exception and dependency each keep incidents apart, and so does no dependency at all."""
    scene = Scene()
    base = failed_event(0)
    scene.take_in(
        base,
        failed_event(1, task="app.other"),
        failed_event(2, exception=base.data["exception"] | {"type": "builtins.OSError"}),
        failed_event(3, exception=base.data["exception"] | {"message": "quite another"}),
        failed_event(4, declaration={"dependency": "db", "idempotent": True}),
        failed_event(5, declaration={"dependency": None, "idempotent": True}),
    )
    assert len(scene.incidents) == 6


def test_the_trigger_of_a_new_incident_carries_the_first_failure_whole() -> None:
    """A rule gets the failure event as it came, the kind and why, size and revision: enough to decide on."""
    scene = Scene()
    event = failed_event()
    scene.take_in(event)
    (told,) = scene.dispatches
    assert told.payload == {
        "incident_id": str(scene.incident.id),
        "revision": 1,
        "kind": "transient",
        "why": "the dependency answered 503",
        "size": 1,
        "dependency": "model",
        "signature": scene.incident.signature,
        "task": "app.call",
        "idempotent": True,
        "tries": 0,
        "failure": dict(event.data),
    }
    assert (told.next_at, told.tries) == (scene.now, 0)


def test_a_planned_incident_grows_in_silence() -> None:
    """A plan that stands moves newcomers by itself: no rule has to be asked again."""
    scene = Scene()
    scene.take_in(failed_event(0))
    scene.plan()
    scene.take_in(*(failed_event(number) for number in range(1, 20)))
    assert (scene.incident.size, scene.triggers()) == (20, ["incident_opened"])


def test_a_waiting_incident_that_has_grown_tenfold_asks_again() -> None:
    """Where a person is waited for, the rules are told at 10, 100, ... failures, with the first failure whole."""
    scene = Scene()
    scene.take_in(failed_event(0))
    scene.plan(name=PlanName.ESCALATE)
    scene.take_in(*(failed_event(number) for number in range(1, 105)))
    assert scene.triggers() == ["incident_opened", "incident_grew", "incident_grew"]
    grew = [each.payload for each in scene.dispatches if each.trigger == "redrive.incident_grew"]
    assert [each["size"] for each in grew] == [10, 100]
    assert {each["failure"]["task_id"] for each in grew} == {"t0"}
    assert {each["revision"] for each in grew} == {scene.incident.revision}


@pytest.mark.parametrize(
    ("declared", "patterns", "may"),
    [
        (True, (), True),
        (False, (), False),
        (False, ("app.*",), True),
        (False, ("app.call", "x"), True),
        (False, ("APP.*", "other.*"), False),
    ],
)
def test_what_may_run_twice_is_declared_or_named(declared: bool, patterns: tuple[str, ...], may: bool) -> None:
    """A task may run twice when it says so itself, or when a pattern of the settings matches its name, case and all."""
    given = failure()
    given = replace(given, declaration=replace(given.declaration, idempotent=declared))
    assert Recorder(patterns).may_run_twice(given) is may


def test_a_pattern_of_the_settings_makes_the_incident_idempotent() -> None:
    """The verdict is kept with the incident and with each of its failures."""
    scene = Scene(recorder=Recorder(("app.*",)))
    scene.take_in(failed_event(0, declaration={"dependency": None, "idempotent": False}))
    assert scene.incident.idempotent
    assert scene.failures[0].idempotent
