"""A recovery that waits for a person: `pytest tests/approvals.py` in the pack's folder."""

from __future__ import annotations

import json
import time

import pytest

RECOVERY = "6a1c2f6e-0000-5000-8000-000000000001"
HOSTILE = "{{ 7*7 }} <% 7*7 %> {% for x in [7] %}{{ x * 7 }}{% endfor %}"
RULE_SECONDS = 10


@pytest.fixture
def proposing(orchestrator):
    """An orchestrator that takes proposals, notes inquiries and lets a recovery be decided once."""
    recovery = {"id": RECOVERY, "state": "proposed", "task": HOSTILE, "reason": HOSTILE}

    def propose(body):
        if body.get("dry_run"):
            return 200, {"eligible": 7, "not_eligible": 2, "seconds": 3.5, "reasons": [{"why": HOSTILE}]}
        return 202, {"id": RECOVERY, "state": "proposed", "failures": 7}

    def decide(state):
        def decided(_body):
            if recovery["state"] != "proposed":
                return 409, {"title": "Conflict", "detail": "it was decided before"}
            recovery["state"] = state
            return 200, recovery

        return decided

    orchestrator.recovery = recovery
    orchestrator.says = {
        "/recovery/retry": propose,
        "/approve": decide("running"),
        "/reject": decide("aborted"),
        "/inquiry": (200, {"id": RECOVERY}),
        "/retries/" + RECOVERY: lambda _: (200, recovery),
    }
    return orchestrator


def asked(stackstorm, **more):
    """Start the workflow and wait until it asks; gives it."""
    execution = stackstorm.start("redrive.bulk_recovery", incident_id="inc-1", **more)
    return stackstorm.wait(execution, status="paused")


def noted_by(stackstorm):
    """Wait until the rule on inquiries has started its action, which nobody who asks waits for; gives what ran."""
    deadline = time.monotonic() + RULE_SECONDS
    while not stackstorm.executions(action="redrive.note_inquiry") and time.monotonic() < deadline:
        time.sleep(0.05)
    return [stackstorm.wait(each) for each in stackstorm.executions(action="redrive.note_inquiry")]


@pytest.mark.parametrize(("approve", "state"), [(True, "running"), (False, "aborted")])
def test_a_person_is_shown_a_dry_run_and_decides(stackstorm, proposing, approve, state):
    """A dry run, one proposal, one inquiry, and what was answered to it, in this order."""
    execution = asked(stackstorm, reason="the API is back")
    stackstorm.answer(execution.child("ask"), approve=approve, reason="so")
    done = stackstorm.wait(execution)
    assert done.succeeded
    assert done.output == {"recovery_id": RECOVERY, "state": state, "late": False, "answered": True}
    dry, proposal = proposing.said("/recovery/retry")
    assert dry == {"incident_id": "inc-1", "plan": "retry", "reason": "the API is back", "dry_run": True}
    approval = {"timeout_seconds": 3600, "otherwise": "reject"}
    assert proposal == {"incident_id": "inc-1", "plan": "retry", "reason": "the API is back", "approval": approval}
    assert proposing.said("/approve" if approve else "/reject") == [{"reason": "so"}]
    assert execution.child("ask").result["route"] == "redrive.recovery." + RECOVERY


def test_the_orchestrator_is_told_which_inquiry_asks(stackstorm, proposing):
    """The rule on inquiries finds the recovery in the route, and passes the inquiry's id on."""
    execution = asked(stackstorm, reason="so")
    assert [each.succeeded for each in noted_by(stackstorm)] == [True]
    assert proposing.said("/inquiry") == [{"inquiry_id": execution.child("ask").id}]


def test_another_inquiry_is_none_of_ours(stackstorm, proposing):
    """An inquiry with another route is not told of."""
    inquiry = stackstorm.wait(stackstorm.start("core.ask", route="else"), status="pending")
    stackstorm.answer(inquiry, **{"continue": True})
    stackstorm.wait(inquiry)
    stackstorm.run("core.noop")
    assert proposing.said("/inquiry") == []


def test_an_answer_that_comes_late_changes_nothing(stackstorm, proposing):
    """Somebody decided in Redrive while StackStorm still asked: the workflow says that its answer was late."""
    execution = asked(stackstorm, reason="so")
    proposing.recovery["state"] = "aborted"
    stackstorm.answer(execution.child("ask"), approve=True)
    done = stackstorm.wait(execution)
    assert done.succeeded
    assert done.output == {"recovery_id": RECOVERY, "state": "aborted", "late": True, "answered": True}


def test_every_try_has_the_same_key(stackstorm, proposing):
    """The proposal's Idempotency-Key is the workflow's execution, in its dry run too."""
    execution = asked(stackstorm, reason="so")
    keys = {heads["Idempotency-Key"] for _, path, _, heads in proposing.calls if path.endswith("/retry")}
    assert keys == {execution.id}


def test_what_was_proposed_already_is_only_asked_about(stackstorm, proposing):
    """With a recovery's id nothing is proposed."""
    execution = asked(stackstorm, recovery_id=RECOVERY, failures=7)
    assert proposing.said("/recovery/retry") == []
    assert execution.child("ask").parameters["route"] == "redrive.recovery." + RECOVERY


def test_a_refusal_asks_nobody(stackstorm, proposing):
    """Where nothing can go, the workflow fails with the orchestrator's words."""
    proposing.says["/recovery/retry"] = (409, {"title": "Conflict", "detail": "none can go"})
    done = stackstorm.run("redrive.bulk_recovery", incident_id="inc-1", reason="so")
    assert done.failed
    assert done.errors[0]["result"]["result"]["error"] == "Conflict: none can go"
    assert len(done.children) == 2


@pytest.mark.parametrize(
    ("typed", "reason"),
    [("x" * 9000, "x" * 2000), ("a\x00b", "ab"), ("  ", "answered in StackStorm, without a reason")],
)
def test_an_answer_counts_however_much_was_typed(stackstorm, proposing, typed, reason):
    """A reason that the orchestrator would refuse costs nobody their answer."""
    execution = asked(stackstorm, reason="so")
    stackstorm.answer(execution.child("ask"), approve=False, reason=typed)
    assert stackstorm.wait(execution).output["state"] == "aborted"
    assert proposing.said("/reject") == [{"reason": reason}]


def test_words_of_an_answer_and_of_tasks_are_never_evaluated(stackstorm, proposing):
    """What a person answers arrives as it was typed, and what tasks say goes through no expression."""
    execution = asked(stackstorm, reason="so")
    stackstorm.answer(execution.child("ask"), approve=True, reason=HOSTILE)
    assert stackstorm.wait(execution).succeeded
    assert proposing.said("/approve") == [{"reason": HOSTILE}]
    (answer,) = [each for each in stackstorm.look(execution).children if each.document["action"]["ref"] == "core.ask"]
    assert "49" not in json.dumps(answer.parameters)
