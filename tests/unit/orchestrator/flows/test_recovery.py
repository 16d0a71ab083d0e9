"""Recovery: a workflow's instruction becomes the plan, a person's command a release; neither by accident, nor twice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from orchestrator.domain.errors import Conflict, InvalidPlan, NotFound
from orchestrator.domain.failures import FailureState
from orchestrator.domain.incidents import IncidentState
from orchestrator.domain.plan import Gate, PlanName, Route
from orchestrator.domain.release import ReleaseState
from orchestrator.domain.schedule import Schedule
from orchestrator.flows.bulk.asking import RetryRequest
from orchestrator.flows.bulk.commanding import command_retry
from orchestrator.flows.recovery import accept_plan, open_releases
from tests.recovery import NOON, RETRY, failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from orchestrator.domain.commands import RetryCommand
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.plan import Plan


def scene_of(failures: int = 1, *, idempotent: bool = True) -> Scene:
    """Give a scene with an incident that nobody has decided on."""
    scene = Scene()
    declaration = {"dependency": "model", "idempotent": idempotent}
    scene.take_in(*(failed_event(number, declaration=declaration) for number in range(failures)))
    return scene


def accept(scene: Scene, plan: Plan, revision: int = 1, incident_id: UUID | None = None) -> Incident:
    """Instruct."""
    incident_id = incident_id or scene.incident.id
    with scene.ledger.transaction() as tx:
        return accept_plan(tx, incident_id, plan, revision, scene.now)


def ask(scene: Scene, **what: object) -> RetryCommand:
    """Ask for a retry as a person does."""
    with scene.ledger.transaction() as tx:
        return command_retry(tx, RetryRequest("ann", "now", **what), uuid4(), scene.now)


def test_an_accepted_plan_is_the_incident_s_own() -> None:
    """The incident is planned, under a new revision, and the world is told once."""
    scene = scene_of()
    planned = accept(scene, RETRY)
    assert planned == scene.incident
    assert (planned.plan, planned.state, planned.revision, planned.note) == (RETRY, IncidentState.PLANNED, 2, None)
    born = ["redrive.incident.opened.v1", "redrive.audit.recorded.v1", "redrive.incident.planned.v1"]
    assert scene.outbox() == born


def test_the_same_execution_may_repeat_its_plan() -> None:
    """A workflow that instructs twice gets the same answer, also after the incident has moved on or closed."""
    scene = scene_of()
    first = accept(scene, RETRY)
    assert accept(scene, RETRY) == first
    assert scene.outbox().count("redrive.incident.planned.v1") == 1
    scene.release()
    scene.later(1)
    scene.answer(scene.release())
    assert accept(scene, RETRY).state is IncidentState.RECOVERED


def test_the_same_execution_with_another_plan_is_no_repetition() -> None:
    """A workflow that changes its mind has to have seen the newer revision, as everybody has."""
    scene = scene_of()
    accept(scene, RETRY)
    other = replace(RETRY, name=PlanName.REROUTE, route=Route("large"))
    with pytest.raises(Conflict):
        accept(scene, other)
    assert accept(scene, other, 2).plan == other


@pytest.mark.parametrize("revision", [0, 1, 3])
def test_a_plan_decided_on_another_revision_is_refused(revision: int) -> None:
    """Only the revision that the incident has is the one to decide on; a refusal changes nothing."""
    scene = scene_of()
    before = accept(scene, RETRY)
    with pytest.raises(Conflict, match="expected a plan decided on revision 2"):
        accept(scene, replace(RETRY, execution_id="e-2"), revision)
    assert scene.incident == before


def test_failures_that_keep_arriving_make_no_plan_stale() -> None:
    """Growth changes the size and not the revision: the plan of the first failure holds for those that followed."""
    scene = scene_of()
    scene.take_in(*(failed_event(number) for number in range(1, 60)))
    assert accept(scene, RETRY).size == 60


def test_nothing_is_decided_on_a_closed_incident() -> None:
    """A plan for an incident that has recovered is refused, whatever its revision."""
    scene = scene_of()
    accept(scene, RETRY)
    scene.release()
    scene.later(1)
    scene.answer(scene.release())
    with pytest.raises(Conflict, match="recovered"):
        accept(scene, replace(RETRY, execution_id="e-2"), scene.incident.revision)


def test_a_plan_for_nobody_is_not_found() -> None:
    """An incident that is not there has no plan."""
    with pytest.raises(NotFound):
        accept(scene_of(), RETRY, 1, uuid4())


@pytest.mark.parametrize(
    "plan",
    [
        replace(RETRY, name=PlanName.REROUTE),
        replace(RETRY, name=PlanName.CRON_BACKOFF),
        replace(RETRY, gate=Gate(schedule=Schedule("never"))),
        replace(RETRY, gate=Gate(schedule=Schedule("* * * * *", timezone="Mars/Olympus"))),
    ],
)
def test_a_plan_that_nobody_could_carry_out_is_refused(plan: Plan) -> None:
    """What is missing or cannot be read is told at once, and the incident stays undecided."""
    scene = scene_of()
    with pytest.raises(InvalidPlan):
        accept(scene, plan)
    assert scene.incident.state is IncidentState.OPEN


@pytest.mark.parametrize("name", [PlanName.ESCALATE, PlanName.IGNORE])
def test_a_plan_that_redrives_nothing_waits_for_a_person(name: PlanName) -> None:
    """The incident waits, says which plan and why, and nothing goes out."""
    scene = scene_of()
    planned = accept(scene, replace(RETRY, name=name, reason="look at it"))
    assert (planned.state, planned.note) == (IncidentState.WAITING, f"plan {name}: look at it; waits for a person")
    scene.release()
    scene.later(1000)
    assert scene.release() == []
    assert scene.releases == []


def test_a_task_that_may_not_run_twice_waits_and_says_why() -> None:
    """A retry of a task that is not declared idempotent waits for a person, who is told what to do."""
    scene = scene_of(idempotent=False)
    planned = accept(scene, RETRY)
    assert planned.state is IncidentState.WAITING
    assert planned.note == (
        "task app.call is not declared idempotent, so it is not run again by itself; release it by hand "
        "(POST /recovery/retry), or declare it: @app.task(redrive={'idempotent': True})"
    )
    scene.later(1000)
    assert scene.release() == []
    ask(scene, task_id="t0")
    assert len(scene.release()) == 1


def test_a_person_s_retry_goes_at_once_and_alone() -> None:
    """The failure that was named goes out in the next step, by a release of its own; the rest of the incident waits."""
    scene = scene_of(3)
    command = ask(scene, failure_id=scene.failures[1].failure.id)
    assert (command.actor, command.reason, command.created_at) == ("ann", "now", NOON)
    (attempt,) = scene.release()
    assert scene.attempt(attempt).failure_id == command.failure_id
    assert scene.attempt(attempt).release_id == command.release_id
    scene.answer([attempt])
    assert scene.release() == []
    assert [str(each.state) for each in scene.failures] == ["held", "recovered", "held"]
    assert scene.releases[0].state is ReleaseState.SUCCEEDED
    assert "redrive.command.recorded.v1" in scene.outbox()


def test_a_person_s_retry_is_tried_again_at_a_distance() -> None:
    """What a person asked for and failed goes again, not at once."""
    scene = scene_of()
    ask(scene, task_id="t0")
    scene.answer(scene.release(), "failed")
    assert scene.release() == []
    scene.later(10)
    assert len(scene.release()) == 1


def test_a_task_that_may_not_run_twice_runs_once_for_each_command() -> None:
    """Without a declaration one command is one run: when that fails too, it is dead until a person asks again."""
    scene = scene_of(idempotent=False)
    ask(scene, task_id=scene.failures[0].failure.task_id)
    scene.answer(scene.release(), "failed")
    for _ in range(20):
        scene.later(600)
        assert scene.release() == []
    assert scene.failures[0].state is FailureState.DEAD


def test_a_retry_by_hand_that_never_helps_is_listed_as_dead() -> None:
    """When a person's tries are used up the failure is dead, its incident says so, and it can be asked for again."""
    scene = scene_of()
    ask(scene, task_id="t0")
    for _ in range(10):
        scene.later(1000)
        scene.answer(scene.release(), "failed")
    scene.later(1000)
    scene.release()
    assert scene.failures[0].state is FailureState.DEAD
    assert scene.incident.note == "1 failures are listed as dead and wait for a person (POST /recovery/retry)"
    ask(scene, task_id="t0")
    scene.answer(scene.release())
    assert scene.incident.state is IncidentState.RECOVERED


def test_what_a_person_asked_for_is_not_moved_by_the_plan_as_well() -> None:
    """A failure that was claimed goes out once, though the incident's own release runs."""
    scene = scene_of(5)
    accept(scene, RETRY)
    scene.release()
    scene.later(1)
    first = scene.release()
    ask(scene, task_id="t3")
    assert scene.release() == []  # the canary is out, and one is enough for both
    scene.answer(first)
    rest = scene.release()
    assert sorted(scene.attempt(each).task_id for each in rest) == ["t1", "t2", "t3", "t4"]
    scene.answer(rest)
    assert scene.incident.state is IncidentState.RECOVERED


def test_only_one_person_may_ask_at_a_time() -> None:
    """A failure that somebody has asked for, or that is on its way, or that has recovered, is refused."""
    scene = scene_of()
    ask(scene, task_id="t0")
    with pytest.raises(Conflict, match="nobody has asked for yet"):
        ask(scene, task_id="t0")
    out = scene.release()
    with pytest.raises(Conflict, match="released"):
        ask(scene, task_id="t0")
    scene.answer(out)
    with pytest.raises(Conflict, match="recovered"):
        ask(scene, task_id="t0")
    for unknown in ({"task_id": "nobody"}, {"failure_id": uuid4()}):
        with pytest.raises(NotFound):
            ask(scene, **unknown)


def test_opening_releases_again_opens_none() -> None:
    """An incident whose release runs gets no second one; a step that is repeated makes the same release."""
    scene = scene_of(2)
    accept(scene, RETRY)
    for _ in range(3):
        with scene.ledger.transaction() as tx:
            open_releases(tx, scene.now)
    assert len(scene.releases) == 1
    assert scene.releases[0].plan == RETRY
