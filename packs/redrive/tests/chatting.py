"""What people say in chat, and what texts of tasks do on their way: `pytest tests/chatting.py` in the pack's folder."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest

RECOVERY = "6a1c2f6e-0000-5000-8000-000000000001"
HOSTILE = "{{ 7*7 }} <% 7*7 %> {% for x in [7] %}{{ x * 7 }}{% endfor %}"
INCIDENT = {
    "id": "inc-1", "task": HOSTILE, "note": HOSTILE, "state": "waiting", "size": 3, "dependency": HOSTILE,
    "owner": HOSTILE,
}  # fmt: skip
APPROVAL = {
    "id": RECOVERY, "state": "waiting", "asked_by": HOSTILE, "reason": HOSTILE, "otherwise": "reject", "until": "then",
}  # fmt: skip
RETRY = {"id": RECOVERY, "state": "running", "reason": HOSTILE, "progress": {"asked": 7, "in_flight": 2, "dead": 0}}
SAID = [
    ("redrive incidents", "GET", "/incidents?state=open&state=planned&state=waiting&limit=20", None),
    ("redrive approvals", "GET", "/approvals?state=waiting&limit=20", None),
    ("redrive recoveries", "GET", "/recovery/retries?limit=20", None),
    ("redrive recovery " + RECOVERY, "GET", f"/recovery/retries/{RECOVERY}", None),
    ("redrive show inc-1", "GET", "/incidents/inc-1", None),
    ("redrive why task-1", "GET", "/why/task-1", None),
    ("redrive approve " + RECOVERY, "POST", f"/recovery/retries/{RECOVERY}/approve", {"reason": "agreed in chat"}),
    ("redrive reject " + RECOVERY, "POST", f"/recovery/retries/{RECOVERY}/reject", {"reason": "refused in chat"}),
    ("redrive abort " + RECOVERY, "POST", f"/recovery/retries/{RECOVERY}/abort", {"reason": "asked in chat"}),
    ("redrive hold api", "POST", "/dependencies/api/hold", {"reason": "asked in chat"}),
    ("redrive release api", "POST", "/dependencies/api/release", {"reason": "asked in chat"}),
    ("redrive ack inc-1", "PATCH", "/incidents/inc-1", {"acknowledge": True, "reason": "acknowledged in chat"}),
]
WITH_REASON = ["approve " + RECOVERY, "reject " + RECOVERY, "abort " + RECOVERY, "hold api", "release api", "ack inc-1"]


@pytest.fixture
def talking(orchestrator):
    """An orchestrator whose every text was written by an attacker."""
    orchestrator.says = {
        "limit=20": (200, {"incidents": [INCIDENT], "approvals": [APPROVAL], "retries": [RETRY]}),
        "/incidents/inc-1": (200, INCIDENT),
        "/why/task-1": (200, {"title": HOSTILE, "steps": [{"at": "then", "text": HOSTILE}], "now": {"next": HOSTILE}}),
        "/inquiry": (200, {}),
        "/recovery/retry": lambda body: (
            (200, {"eligible": 7, "not_eligible": 0}) if body.get("dry_run") else (202, {"id": RECOVERY})
        ),
        "": (200, {"id": RECOVERY, "state": "running", "note": HOSTILE}),
    }
    return orchestrator


@pytest.mark.parametrize(("command", "method", "path", "body"), SAID)
def test_each_command_is_one_call(stackstorm, talking, command, method, path, body):
    """The alias finds its action, the action its call, and who speaks is passed on."""
    done = stackstorm.say(command, user="ada")
    assert done.succeeded
    ((asked, where, said, heads),) = talking.calls
    assert (asked, where.partition("?")[0], said) == (method, "/api/v1" + path.partition("?")[0], body)
    assert sorted(where.partition("?")[2].split("&")) == sorted(path.partition("?")[2].split("&"))
    assert heads["Redrive-On-Behalf-Of"] == "ada"
    assert ("Idempotency-Key" in heads) == (method != "GET")


@pytest.mark.parametrize("command", WITH_REASON)
def test_a_reason_arrives_as_it_was_typed(stackstorm, talking, command):
    """However much it looks like a template."""
    assert stackstorm.say(f"redrive {command} {HOSTILE}").succeeded
    ((_, _, said, _),) = talking.calls
    assert said["reason"] == HOSTILE


def test_who_asks_cannot_be_typed(stackstorm, talking):
    """Nobody speaks in another one's name."""
    with pytest.raises(AssertionError, match="Immutable"):
        stackstorm.say(f"redrive approve {RECOVERY} on_behalf_of=boss", user="ada")
    assert talking.calls == []


def test_a_retry_is_proposed_and_asked_about(stackstorm, talking):
    """Chat proposes, StackStorm asks, the words for chat say how to answer; the reason arrives as it was typed."""
    done = stackstorm.say("redrive retry incident inc-1 " + HOSTILE, user="ada")
    assert done.succeeded
    dry, proposal = talking.said("/recovery/retry")
    assert (dry["reason"], proposal["reason"]) == (HOSTILE, HOSTILE)
    assert proposal["approval"] == {"timeout_seconds": 3600, "otherwise": "reject"}
    assert "redrive approve " + RECOVERY in done.output["text"]
    asking = stackstorm.wait(done.output["asking_execution_id"], status="paused")
    assert asking.child("ask").result["route"] == "redrive.recovery." + RECOVERY


@pytest.mark.usefixtures("talking")
@pytest.mark.parametrize("command", ["incidents", "show inc-1", "why task-1", "approvals"])
def test_what_chat_is_told_holds_no_mark_up_and_no_expression(stackstorm, command):
    """StackStorm's own workflow that posts results evaluates them, and Slack obeys what stands in angle brackets."""
    done = stackstorm.say("redrive " + command)
    text = done.output["text"]
    assert "7*" in text
    assert not any(mark in text for mark in ("{{", "{%", "<", "49"))
    assert json.dumps(HOSTILE)[1:-1] in json.dumps(done.output["answer"])


def test_a_text_goes_through_a_workflow_sealed(stackstorm, orchestrator):
    """StackStorm evaluates whatever a workflow is given; percent-encoded there is nothing to evaluate."""
    sealed = "sealed:" + quote(HOSTILE, safe="")
    for action in ("retry", "reroute", "cron_backoff", "escalate"):
        assert stackstorm.run("redrive." + action, incident_id="inc-1", revision=3, reason=sealed).succeeded
    assert [each["reason"] for each in orchestrator.plans if "plan" in each] == [HOSTILE] * 4


PAYLOAD = {
    "incident_id": "inc-1", "revision": 3, "why": HOSTILE, "captured": HOSTILE, "size": 5000, "dependency": HOSTILE,
    "signature": HOSTILE, "task": "billing." + HOSTILE, "idempotent": True, "tries": 4, "stands_for": 1,
    "failure": {"message": HOSTILE, "task": HOSTILE, "exception": {"message": HOSTILE}},
}  # fmt: skip
RELEASE = {
    "incident_id": "inc-1", "revision": 3, "release_id": "rel-1", "task": HOSTILE, "first_attempts": 1,
    "first_successes": 1, "attempts": 1, "successes": 1,
}  # fmt: skip
SENT = [
    *[(each, dict(PAYLOAD, kind="transient")) for each in ("incident_opened", "incident_reclassified", "task_failed")],
    *[(each, dict(PAYLOAD, kind="resource")) for each in ("incident_opened", "incident_reclassified")],
    *[(each, dict(PAYLOAD, kind="poison")) for each in ("incident_opened", "incident_reclassified")],
    *[(each, dict(PAYLOAD, kind="rate_limited")) for each in ("incident_opened", "incident_grew")],
    *[(each, dict(PAYLOAD, kind="transient")) for each in ("attempts_exhausted", "incident_recovered")],
    ("release_succeeded", RELEASE),
    ("release_failed", RELEASE),
]


def test_what_tasks_say_passes_no_rule_evaluated(stackstorm, orchestrator):
    """Every rule with all of them on: what the orchestrator hears has no trace of what an attacker wrote."""
    orchestrator.releases["rel-1"] = {"first_attempts": 1, "first_successes": 1, "outcome": "succeeded"}
    orchestrator.says = {"/postmortem": (200, {"title": HOSTILE}), "/escalate": (200, {"note": HOSTILE})}
    off = ("alert_task_failed", "cron_backoff", "escalate_grown", "postmortem_recovered")
    for rule in off:
        stackstorm.enable("redrive." + rule)
    answered = set()
    for trigger, payload in SENT:
        fired = stackstorm.send("redrive." + trigger, payload)
        assert fired.failures == {}
        assert fired.executions
        assert all(each.succeeded for each in fired.executions), trigger
        answered |= {rule.replace("redrive.", "") for rule in fired.rules}
    assert answered >= {*off, "retry", "reroute", "escalate", "escalate_exhausted", "settle_failed"}
    # Ids of executions may hold any two digits.
    heard = re.sub(r"\b[0-9a-f]{24}\b", "ID", json.dumps([(path, body) for _, path, body, _ in orchestrator.calls]))
    assert "inc-1" in heard
    assert not any(each in heard for each in ("49", "7*7", "billing"))
