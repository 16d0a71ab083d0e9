"""Recording: failures that look alike join one incident, which is told of when it opens and when it has grown."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from eventbus.wire import TASK_OUTCOMES, Event
from orchestrator.domain.classify import OwnRule
from orchestrator.domain.failures import Kind
from orchestrator.domain.incidents import IncidentState
from orchestrator.domain.plan import PlanName
from orchestrator.flows.recording import Recorder
from tests.recovery import NOON, SOURCE, failed_event, failure
from tests.scene import Scene


def test_failures_that_look_alike_are_one_incident() -> None:
    """Messages that differ in a number are one signature: one incident, one trigger, however many come."""
    scene = Scene()
    scene.take_in(*(failed_event(number) for number in range(25)))
    (incident,) = scene.incidents
    assert (incident.size, incident.revision, incident.state) == (25, 1, IncidentState.OPEN)
    assert (incident.kind, incident.why) == (Kind.TRANSIENT, "the dependency answered 503 [http-status]")
    assert incident.first_failure_id == scene.failures[0].failure.id
    assert scene.triggers() == ["incident_opened"]
    assert scene.outbox() == ["redrive.incident.opened.v1", "redrive.dependency.changed.v1"]


def test_the_operators_rules_decide_first() -> None:
    """A rule of the settings sees the dependency that a pattern of the settings names, and tells the kind."""
    rule = OwnRule("settings rule 1: night", Kind.RATE_LIMITED, "closed at night", dependency=("bank",))
    scene = Scene(recorder=Recorder(dependency_patterns=(("app.*", "bank"),), own_rules=(rule,)))
    declared = {"dependency": None, "idempotent": True}
    scene.take_in(failed_event(0, declaration=declared), failed_event(1, task="other", declaration=declared))
    kinds = {each.task: (each.kind, each.why) for each in scene.incidents}
    assert kinds["app.call"] == (Kind.RATE_LIMITED, "closed at night [settings rule 1: night]")
    assert kinds["other"][0] is Kind.TRANSIENT
    assert {stored.why for stored in scene.failures} <= {why for _, why in kinds.values()}


def test_answers_of_other_codes_are_other_incidents() -> None:
    """A spent quota and a rate limit come in the same words with the same status: the code keeps them apart."""
    scene = Scene()
    told = failed_event(0).data["exception"] | {"message": "Error code: 429", "status": 429}
    codes = ("insufficient_quota", "rate_limit_exceeded", "insufficient_quota", None)
    scene.take_in(*(failed_event(at, exception=told | {"code": code}) for at, code in enumerate(codes)))
    assert sorted((each.kind, each.size) for each in scene.incidents) == [
        (Kind.DEPENDENCY_DOWN, 2),
        (Kind.RATE_LIMITED, 1),
        (Kind.RATE_LIMITED, 1),
    ]


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
        "why": "the dependency answered 503 [http-status]",
        "captured": "exception",
        "size": 1,
        "dependency": "model",
        "signature": scene.incident.signature,
        "task": "app.call",
        "idempotent": True,
        "tries": 0,
        "stands_for": 1,
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


@pytest.mark.parametrize(
    ("task", "declaration", "expected"),
    [
        ("app.call", {"dependency": None, "idempotent": True}, "first"),
        ("app.other", {"dependency": None, "idempotent": True}, "second"),
        ("app.other", None, "second"),
        ("elsewhere", {"dependency": None, "idempotent": True}, None),
        ("app.call", {"dependency": "model", "idempotent": True}, "model"),
    ],
)
def test_the_settings_name_what_a_task_leans_on(
    task: str, declaration: dict[str, object] | None, expected: str | None
) -> None:
    """Where its task declares no dependency, the first pattern that fits gives one, in the ledger and the trigger."""
    scene = Scene(recorder=Recorder(dependency_patterns=(("app.c*", "first"), ("app.*", "second"))))
    scene.take_in(failed_event(task=task, declaration=declaration))
    (stored,), (told,) = scene.failures, scene.dispatches
    assert scene.incident.dependency == expected
    assert stored.failure.declaration.dependency == expected
    assert stored.failure.declaration.idempotent is (declaration is not None)
    assert told.payload["dependency"] == expected
    assert told.payload["failure"]["declaration"]["dependency"] == expected


@pytest.mark.parametrize(("declared", "expected"), [(None, "db"), ("", "db"), ("declared", "declared")])
def test_what_the_task_declares_goes_first(declared: str | None, expected: str) -> None:
    """The settings fill in what a declaration leaves out, and overrule none."""
    assert Recorder(dependency_patterns=(("app.*", "db"),)).dependency_of("app.call", declared) == expected


def test_counts_of_outcomes_speak_of_what_the_settings_name() -> None:
    """Ordinary runs of a task that declares nothing are evidence for the dependency that its pattern names.

    Redrives and probes are not: they have told of themselves.
    """
    scene = Scene(recorder=Recorder(dependency_patterns=(("app.*", "db"),)))
    counts = [{"task": "app.call", "dependency": None, "succeeded": 9, "failed": 0, "redriven": 2}]
    data = {"window_seconds": 1.0, "worker": "w1", "counts": counts}
    scene.take_in(Event(str(uuid4()), SOURCE, TASK_OUTCOMES, NOON, data))
    with scene.ledger.reading() as tx:
        found = tx.dependency("db")
    assert found is not None
    assert found.live == 7
