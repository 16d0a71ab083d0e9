"""Edits of a plan: every way in which a redrive goes out carries them, and the ledger keeps the message as it was."""

from __future__ import annotations

import json

from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.domain.failures import FailureState
from orchestrator.domain.plan import Gate
from orchestrator.ledger.codec import plan_from_json, plan_to_json
from tests.recovery import RETRY, failed_event
from tests.scene import GRACE, Scene

EDITS = {"size": 42}
DECLARED = {
    "dependency": "model", "idempotent": True, "edit": {"size": {"type": "integer"}}, "positions": {"size": 0}
}  # fmt: skip


def planned(**changes: object) -> Scene:
    """Give a scene with a failure of a task whose argument may be edited, and a plan that edits it."""
    scene = Scene()
    scene.take_in(failed_event(0, declaration=DECLARED, **changes))
    scene.plan(edits=EDITS, gate=Gate(first_after=1))
    assert scene.release() == []
    scene.later(1000)
    return scene


def test_a_release_sends_its_plan_s_edits_and_the_ledger_keeps_the_message() -> None:
    """What the broker gets has the new value; what is kept has the old one."""
    scene = planned()
    assert len(scene.release()) == 1
    assert json.loads(scene.redriver.letters[0].body)[:2] == [[42], {}]
    assert json.loads(scene.failures[0].failure.message.body)[:2] == [[1], {}]


def test_what_was_recorded_and_not_published_goes_out_with_its_edits() -> None:
    """A crash between both: the reconciler publishes the same attempt, edited like the first time."""
    scene = planned()
    scene.redriver.failing_with = DependencyUnreachable("the broker", "so")
    assert scene.release() == []
    scene.redriver.failing_with = None
    scene.later(GRACE + 1)
    assert scene.reconciler.run_once() == 1
    assert json.loads(scene.redriver.letters[0].body)[:2] == [[42], {}]


def test_a_message_that_cannot_be_edited_is_dead_with_the_reason() -> None:
    """It is never sent with its old value instead."""
    scene = planned(message={**failed_event(0).data["message"], "content_type": "application/x-python-serialize"})
    scene.release()
    assert scene.redriver.letters == []
    (stored,) = scene.failures
    assert stored.state is FailureState.DEAD
    assert "size cannot be edited: expected a body in application/json" in str(stored.reason)


def test_edits_survive_the_ledger_and_older_plans_have_none() -> None:
    """A plan's edits are written with it; a row of a former version has no such member."""
    document = plan_to_json(RETRY)
    assert plan_from_json(document).edits == {}
    assert plan_from_json({name: value for name, value in document.items() if name != "edits"}) == RETRY
