"""Single failures: users' own rules are told of them where the settings want it, and nothing is decided by that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.domain.dispatches import DispatchState
from orchestrator.flows.dispatch import Dispatcher
from orchestrator.flows.recording import Recorder
from orchestrator.stackstorm.memory import MemoryRule, MemoryWorkflows
from tests.recovery import failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from orchestrator.domain.dispatches import Dispatch

OPENED, FAILED = "redrive.incident_opened", "redrive.task_failed"
RETRY = MemoryRule("redrive.retry", OPENED, "redrive.retry")
OWN = MemoryRule("own.look", FAILED, "own.look")


def scene_of(per_minute: int = 3) -> Scene:
    """Make a scene whose settings want so many."""
    return Scene(recorder=Recorder(task_failed_per_minute=per_minute))


def told(scene: Scene) -> list[Dispatch]:
    """Give the triggers of single failures."""
    return [each for each in scene.dispatches if each.trigger == FAILED]


def tasks(scene: Scene) -> list[str]:
    """Name the tasks that rules were told of."""
    return sorted(each.payload["failure"]["task_id"] for each in told(scene))


def dispatcher(scene: Scene, workflows: MemoryWorkflows) -> Dispatcher:
    """Make a dispatcher without much patience for rules."""
    return Dispatcher(scene.ledger, workflows, scene.clock, 1.0)


def test_nothing_is_told_unless_the_settings_want_it() -> None:
    """By default rules hear of incidents alone."""
    scene = Scene()
    scene.take_in(failed_event(0), failed_event(1))
    assert scene.triggers() == ["incident_opened"]


def test_a_failure_is_told_with_its_own_event() -> None:
    """Each one's trigger has its incident, its own event whole, and its own kind."""
    scene = scene_of()
    scene.take_in(failed_event(0), failed_event(1))
    second = next(each for each in told(scene) if each.payload["failure"]["task_id"] == "t1")
    assert second.payload["failure"] == dict(failed_event(1).data)
    assert second.payload["incident_id"] == str(scene.incident.id)
    assert (second.payload["kind"], second.payload["size"], second.payload["stands_for"]) == ("transient", 2, 1)
    assert second.trace_tag == failed_event(1).data["failure_id"]


def test_of_one_signature_no_more_than_the_cap_is_told_in_any_minute() -> None:
    """Those beyond it are not told of later, either; a minute after, the next are."""
    scene = scene_of(3)
    scene.take_in(*(failed_event(number) for number in range(5)))
    scene.later(30)
    scene.take_in(failed_event(5))
    assert tasks(scene) == ["t0", "t1", "t2"]
    scene.later(30)
    scene.take_in(failed_event(6))
    assert tasks(scene) == ["t0", "t1", "t2", "t6"]


def test_another_signature_has_a_cap_of_its_own() -> None:
    """A storm of one signature hides no failure of another one."""
    scene = scene_of(1)
    scene.take_in(failed_event(0), failed_event(1))
    scene.later(1)
    scene.take_in(failed_event(2, task="app.other"))
    assert tasks(scene) == ["t2"]


def test_a_failure_event_that_comes_again_is_told_once() -> None:
    """The bus may deliver an event twice, and two events may tell of one failure."""
    scene = scene_of()
    once = failed_event(0)
    scene.take_in(once)
    scene.take_in(once, failed_event(0))
    assert len(told(scene)) == 1


def test_a_redrive_that_fails_is_no_new_failure() -> None:
    """The run that failed again is an outcome of its release; users' rules heard of the task before."""
    scene = scene_of()
    scene.take_in(failed_event(0))
    scene.plan()
    scene.release()
    scene.later(1_000)
    (attempt,) = scene.release()
    scene.take_in(failed_event(0, attempt_id=attempt))
    assert len(told(scene)) == 1


def test_single_failures_go_behind_what_asks_for_a_decision() -> None:
    """A trigger that decides is sent before them, however long they have been due."""
    scene, workflows = scene_of(30), MemoryWorkflows([RETRY, OWN])
    scene.take_in(*(failed_event(number) for number in range(25)))
    scene.later(5)
    scene.take_in(failed_event(30, task="app.other"))
    dispatcher(scene, workflows).send_due()
    names = [each[0] for each in workflows.dispatched]
    assert (len(names), names[:2], set(names[2:])) == (20, [OPENED, OPENED], {FAILED})


def test_a_single_failure_that_no_rule_answers_leaves_no_note() -> None:
    """The incident says why nobody has decided; a rule of one's own that is missing is no reason."""
    scene, workflows = scene_of(), MemoryWorkflows([RETRY])
    scene.take_in(failed_event(0))
    going = dispatcher(scene, workflows)
    for _ in range(4):
        going.run_once()
        scene.later(1)
    (one,) = told(scene)
    assert one.state is DispatchState.NO_RULE
    assert FAILED not in (scene.incident.note or "")


def test_each_failure_gets_the_executions_of_its_own_trigger() -> None:
    """Two of one incident share no trace, so that neither is shown what answered the other."""
    scene, workflows = scene_of(), MemoryWorkflows([RETRY, OWN])
    scene.take_in(failed_event(0), failed_event(1))
    going = dispatcher(scene, workflows)
    going.send_due()
    scene.later(1)
    going.hear_of_sent()
    for each in told(scene):
        (firing,) = workflows.firings(each.payload["failure"]["failure_id"])
        assert (each.rules, each.execution_ids) == (("own.look",), firing.execution_ids)
