"""What stories tell of recoveries: proposed by whatever names their failures, at rest, and steered."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from orchestrator.domain.approving import Otherwise
from orchestrator.domain.auditing import Deed, Origin
from orchestrator.domain.commands import CommandKind
from orchestrator.domain.searching import Judging
from orchestrator.domain.selection import Selection
from orchestrator.flows.approving import Asking, propose
from orchestrator.flows.bulk.asking import RetryRequest
from orchestrator.flows.bulk.commanding import command_retry
from orchestrator.flows.bulk.steering import Steering, steer
from orchestrator.flows.explaining.finding import story_of
from orchestrator.flows.explaining.known import Known
from tests.recovery import failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from orchestrator.domain.story import Story

AGREE = "nothing goes before somebody agrees"


@pytest.fixture
def scene() -> Scene:
    """A scene with one incident of three failures that no plan moves."""
    made = Scene()
    made.take_in(*map(failed_event, range(3)))
    return made


def story(scene: Scene, about: object) -> Story:
    """Tell a story."""
    with scene.ledger.reading() as tx:
        found = story_of(tx, str(about), Known(scene.now))
    assert found is not None
    return found


def proposed(scene: Scene, **meant: Any) -> UUID:
    """Propose a recovery of what is meant."""
    asking = Asking(timedelta(hours=1), Otherwise.REJECT, 1)
    request = RetryRequest("ann", "it is back", selection=Selection(**meant))
    with scene.ledger.transaction() as tx:
        return propose(tx, request, asking, uuid4(), Judging(scene.now)).id


def asked(scene: Scene) -> UUID:
    """Ask for a recovery of all tasks."""
    request = RetryRequest("ann", "it is back", selection=Selection(task="*"))
    with scene.ledger.transaction() as tx:
        return command_retry(tx, request, uuid4(), scene.now).id


def say(scene: Scene, recovery: UUID, kind: CommandKind) -> None:
    """Steer it."""
    with scene.ledger.transaction() as tx:
        steer(tx, recovery, Steering(uuid4(), kind, "ann", "the provider asks", scene.now))


def test_a_proposal_by_a_query_is_told_of_each_incident_that_it_means(scene: Scene) -> None:
    """Of the incident and of its failures: what waits for consent, and the command that gives it."""
    recovery = proposed(scene, task="app.*")
    for about in (scene.incident.id, "t1"):
        told = story(scene, about)
        assert told.now.next == AGREE
        assert told.now.command == f"redrive approvals approve {recovery} --reason WHY"
        assert any(str(recovery) in each for each in told.now.waits_for)
        assert any(str(recovery) in each.text for each in told.steps)


def test_a_proposal_by_ids_is_told_of_its_failures_alone(scene: Scene) -> None:
    """The incident waits for consent in part; a failure that is not among them waits for a person as before."""
    proposed(scene, ids=frozenset({scene.failures[0].failure.id}))
    assert story(scene, scene.incident.id).now.next == AGREE
    assert story(scene, "t0").now.next == AGREE
    assert story(scene, "t1").now.next != AGREE


def test_a_proposal_of_other_tasks_is_no_matter_of_an_incident(scene: Scene) -> None:
    """What a query does not find, and what is over, waits for nobody's consent."""
    recovery = proposed(scene, task="other.*")
    told = story(scene, scene.incident.id)
    assert told.now.next != AGREE
    assert not any(str(recovery) in each.text for each in told.steps)


def test_an_incident_whose_recovery_rests_says_how_it_goes_on(scene: Scene) -> None:
    """It does not go by itself: a person resumes it, and until then it has no time."""
    recovery = asked(scene)
    scene.plan()
    say(scene, recovery, CommandKind.PAUSE)
    now = story(scene, scene.incident.id).now
    resume = f"redrive recoveries resume {recovery} --reason WHY"
    assert (now.next, now.command) == ("what its recovery has taken rests", resume)
    assert story(scene, "t1").now.command == resume
    say(scene, recovery, CommandKind.RESUME)
    assert story(scene, scene.incident.id).now.command != resume


def test_who_steered_a_recovery_is_told_however_much_others_did(scene: Scene) -> None:
    """A thousand entries of the audit about other things hide nothing."""
    recovery = asked(scene)
    say(scene, recovery, CommandKind.PAUSE)
    with scene.ledger.transaction() as tx:
        for _ in range(1_001):
            tx.audit(Deed(id=uuid4(), at=scene.now, actor="bob", origin=Origin.PERSON, verb="hold", reason="so"))
    told = [each.text for each in story(scene, recovery).steps if each.what == "command.pause"]
    assert told == ["pause by ann: the provider asks"]
