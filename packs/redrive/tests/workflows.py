"""What the rules and workflows tell the orchestrator: `pytest tests/workflows.py` in the pack's folder.

It needs the pytest plugin that comes with Redrive, so no test runner finds it by its name: StackStorm's own have none.
So do approvals.py, chatting.py and reporting.py beside it.
"""

from __future__ import annotations

import pytest

TOKEN = "t0p-s3cret"  # noqa: S105 the secret of a test, that of conftest.py

RETRIED = ("transient", "dependency_down", "rate_limited", "unknown", "worker_lost")
CHOSEN = [
    ("incident_opened", "resource", "redrive.reroute", {"plan": "reroute", "route": {"queue": "large"}}),
    ("incident_opened", "permanent", "redrive.escalate", {"plan": "escalate", "route": None, "gate": None}),
    ("incident_opened", "poison", "redrive.escalate", {"plan": "escalate"}),
    ("incident_reclassified", "transient", "redrive.retry_reclassified", {"plan": "retry"}),
    ("incident_reclassified", "resource", "redrive.reroute_reclassified", {"plan": "reroute"}),
    ("incident_reclassified", "poison", "redrive.escalate_reclassified", {"plan": "escalate"}),
    (
        "attempts_exhausted",
        "transient",
        "redrive.escalate_exhausted",
        {"plan": "escalate", "reason": "rule escalate_exhausted, kind transient, 4 tries"},
    ),
]


def incident(kind):
    """Give the payload of an incident's trigger."""
    return {
        "incident_id": "inc-1", "revision": 3, "kind": kind, "why": "{{ not a template }} <% nor this %>", "size": 1,
        "dependency": None, "signature": "s", "task": "app.call", "idempotent": True, "tries": 4, "failure": {},
    }  # fmt: skip


def release(successes):
    """Give the payload of a release's trigger, whose counts are those of the ledger."""
    return {
        "incident_id": "inc-1", "revision": 5, "release_id": "rel-1", "kind": "transient", "task": "app.call",
        "first_attempts": 7, "first_successes": successes, "attempts": 9, "successes": 7,
    }  # fmt: skip


@pytest.mark.parametrize("kind", RETRIED)
def test_retry_instructs_the_orchestrator(stackstorm, orchestrator, kind):
    """A kind that may pass by itself gets the plan retry, with pace, gate, revision and its own execution's id."""
    fired = stackstorm.send("redrive.incident_opened", incident(kind))
    assert (fired.rules, fired.execution.status) == (("redrive.retry",), "succeeded")
    (plan,) = orchestrator.plans
    assert (plan["plan"], plan["revision"], plan["pace"]) == ("retry", 3, {"in_flight": 20, "tries_each": 10})
    assert plan["execution_id"] == fired.execution.id
    assert plan["reason"] == "rule retry, kind " + kind
    assert plan["gate"] == {"first_after_seconds": 1, "factor": 2, "max_distance_seconds": 300, "max_tries": 100}
    assert orchestrator.asked == [("/api/v1/incidents/inc-1/plan", "Bearer " + TOKEN)]
    output = {"incident_id": "inc-1", "plan": "retry", "state": "planned", "superseded": False}
    assert fired.execution.output == output


@pytest.mark.parametrize(("trigger", "kind", "rule", "plan"), CHOSEN)
def test_each_kind_has_its_rule(stackstorm, orchestrator, trigger, kind, rule, plan):
    """Exactly one rule answers each trigger and kind, with its own plan."""
    fired = stackstorm.send("redrive." + trigger, incident(kind))
    assert (fired.rules, fired.execution.status) == ((rule,), "succeeded")
    assert orchestrator.plans[0].items() >= plan.items()


@pytest.mark.parametrize(
    ("given", "route"),
    [
        ({"queue": "bulk"}, {"queue": "bulk"}),
        ({"queue": "bulk", "kwargs": {"model": "m"}}, {"queue": "bulk", "kwargs": {"model": "m"}}),
        ({"exchange": "x", "routing_key": "k"}, {"exchange": "x", "routing_key": "k"}),
        ({"table": True}, {"table": True, "constraints": {}, "hop_limit": 3}),
        (
            {"table": True, "constraints": {"regions": ["eu"]}, "hop_limit": 1, "kwargs": {"not": "used"}},
            {"table": True, "constraints": {"regions": ["eu"]}, "hop_limit": 1},
        ),
    ],
)
def test_reroute_sends_where_its_inputs_say(stackstorm, orchestrator, given, route):
    """One place with its arguments, or the table with its constraints; never both."""
    done = stackstorm.run("redrive.reroute", incident_id="inc-1", revision=3, **given)
    assert done.status == "succeeded"
    assert orchestrator.plans[0]["route"] == route


def test_cron_backoff_is_one_switch_away(stackstorm, orchestrator):
    """Its rule is off until someone enables it; then the plan carries the cron expression and the zone."""
    stackstorm.disable("redrive.retry")
    assert stackstorm.send("redrive.incident_opened", incident("rate_limited")).executions == ()
    stackstorm.enable("redrive.cron_backoff")
    assert stackstorm.send("redrive.incident_opened", incident("rate_limited")).execution.succeeded
    (plan,) = orchestrator.plans
    assert plan["plan"] == "cron_backoff"
    assert plan["gate"] == {
        "cron": "*/15 * * * *", "timezone": "UTC", "max_tries": 96, "windows": [], "blackouts": [], "ladder": [],
        "misfire": "fire_once", "misfire_grace_seconds": 60,
    }  # fmt: skip


WAITING = "incidents?state=open&state=waiting&limit=1000"


def test_what_waits_is_retried_when_a_timer_says(stackstorm, orchestrator):
    """Each incident of the kinds that may run twice gets its plan, with its own revision; others are left alone."""
    kinds = [
        ("a", "transient", True),
        ("b", "permanent", True),
        ("c", "rate_limited", False),
        ("d", "rate_limited", True),
    ]
    orchestrator.releases[WAITING] = {
        "incidents": [
            {"id": name, "kind": kind, "idempotent": idempotent, "revision": number}
            for number, (name, kind, idempotent) in enumerate(kinds)
        ]
    }
    done = stackstorm.run("redrive.retry_waiting", reason="at night")
    assert (done.status, done.output) == ("succeeded", {"planned": ["a", "d"]})
    assert [(plan["revision"], plan["execution_id"]) for plan in orchestrator.plans] == [(0, done.id), (3, done.id)]
    assert orchestrator.plans[0]["gate"] == {"first_after_seconds": 0}
    assert orchestrator.asked[-1] == ("/api/v1/incidents/d/plan", "Bearer " + TOKEN)


def test_one_refusal_keeps_no_other_incident_from_its_plan(stackstorm, orchestrator):
    """Every one is asked for, once; then the workflow fails, and says why."""
    waiting = [{"id": name, "kind": "transient", "idempotent": True, "revision": 1} for name in "ab"]
    orchestrator.releases[WAITING] = {"incidents": waiting}
    orchestrator.answer = (422, {"title": "Invalid plan", "detail": "so"})
    done = stackstorm.run("redrive.retry_waiting")
    assert (done.status, len(orchestrator.plans)) == ("failed", 2)
    assert done.errors[0]["result"]["result"]["refused"][0]["error"] == "Invalid plan: so"


def test_a_newer_revision_is_no_error(stackstorm, orchestrator):
    """409 is not tried again: the workflow succeeds and says that it was superseded."""
    orchestrator.answer = (409, {"title": "Conflict", "detail": "revision 4 is newer"})
    done = stackstorm.send("redrive.incident_opened", incident("transient")).execution
    assert (done.status, done.output["superseded"], len(orchestrator.plans)) == ("succeeded", True, 1)


def test_a_refusal_is_not_tried_again(stackstorm, orchestrator):
    """422 fails the workflow at the first try, and the execution holds the problem."""
    orchestrator.answer = (422, {"title": "Invalid plan", "detail": "no such queue"})
    done = stackstorm.send("redrive.incident_opened", incident("resource")).execution
    assert (done.status, len(orchestrator.plans)) == ("failed", 1)
    told = {"error": "Invalid plan: no such queue", "http_status": 422}
    assert done.errors[0]["result"]["result"] == told


@pytest.mark.parametrize(("trigger", "first", "status"), [("succeeded", 7, "succeeded"), ("failed", 5, "failed")])
def test_settle_tells_the_first_retry_success(stackstorm, orchestrator, trigger, first, status):
    """It succeeds only if every first attempt did; the output holds both counts either way."""
    counts = {"first_attempts": 7, "first_successes": first}
    orchestrator.releases["rel-1"] = dict(counts, id="rel-1", incident_id="inc-1", outcome=status)
    done = stackstorm.send("redrive.release_" + trigger, release(first)).execution
    assert (done.action, done.status) == ("redrive.settle", status)
    assert done.output == dict(counts, incident_id="inc-1", release_id="rel-1", outcome=status)


def test_settle_believes_the_ledger(stackstorm, orchestrator):
    """Where the trigger's counts are not the ledger's, the ledger's decide."""
    orchestrator.releases["rel-1"] = {"first_attempts": 8, "first_successes": 7, "outcome": "failed"}
    done = stackstorm.send("redrive.release_succeeded", release(7)).execution
    assert (done.status, done.output["first_attempts"]) == ("failed", 8)


def test_settle_of_an_unknown_release_fails_with_the_counts_it_was_given(stackstorm, orchestrator):
    """The output holds both counts although nobody could be asked."""
    done = stackstorm.send("redrive.release_succeeded", release(7)).execution
    assert (done.status, len(orchestrator.asked)) == ("failed", 1)
    assert (done.output["first_attempts"], done.output["first_successes"]) == (7, 7)


def test_escalate_wakes_somebody_where_it_is_told_to(stackstorm, orchestrator):
    """The plan first, then the alert, with ladder, severity and reason; each once, under the workflow's execution."""
    orchestrator.says["/escalate"] = (202, {"id": "c-1"})
    asked = {"incident_id": "inc-1", "revision": 3, "reason": "so"}
    assert stackstorm.run("redrive.escalate", asked).output["alerted"] is False
    assert orchestrator.said("/escalate") == []
    done = stackstorm.run("redrive.escalate", asked, alert=True, ladder="night", severity="critical")
    assert (done.status, done.output["alerted"]) == ("succeeded", True)
    told = {"ladder": "night", "severity": "critical", "reason": "so", "execution_id": done.id}
    assert orchestrator.said("/escalate") == [told]
    assert [heads["Idempotency-Key"] for _, path, _, heads in orchestrator.calls if path.endswith("/escalate")] == [
        done.id
    ]


def test_an_alert_that_is_refused_takes_no_plan_back(stackstorm, orchestrator):
    """The workflow fails, as nobody was woken, and says why; the plan stands, and was given once."""
    orchestrator.says["/escalate"] = (409, {"title": "Conflict", "detail": "no ladder is set"})
    done = stackstorm.run("redrive.escalate", incident_id="inc-1", revision=3, alert=True)
    assert (done.status, done.output["alerted"], len(orchestrator.plans)) == ("failed", False, 1)
    assert (done.output["state"], done.child("wake").output["error"]) == ("planned", "Conflict: no ladder is set")


def test_an_older_decision_wakes_nobody(stackstorm, orchestrator):
    """A plan that came too late is no reason to wake anybody."""
    orchestrator.answer = (409, {"title": "Conflict", "detail": "revision 4 is newer"})
    done = stackstorm.run("redrive.escalate", incident_id="inc-1", revision=3, alert=True)
    assert (done.output["superseded"], done.output["alerted"]) == (True, False)
    assert orchestrator.said("/escalate") == []
