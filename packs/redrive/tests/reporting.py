"""What is reported of failures outside Celery: `pytest tests/reporting.py` in the pack's folder."""

from __future__ import annotations

import pytest

ACCEPTED = {"status": "accepted"}
REPORT = {"task": "nightly", "message": "sealed:%7B%7B%207*7%20%7D%7D is%20out", "key": "run-1", "wait_seconds": 0}


def incident(plan):
    """Give an incident as the orchestrator shows it."""
    return {"id": "inc-1", "revision": 2, "state": "waiting", "plan": plan}


@pytest.fixture
def known(orchestrator):
    """An orchestrator that takes the report, and has an incident with a plan for it."""
    orchestrator.says["/api/v1/events"] = lambda body: told(orchestrator, body)
    orchestrator.releases["inc-1"] = incident({"name": "escalate"})
    return orchestrator


def told(orchestrator, event):
    """Take a report as the orchestrator does: the second one of the same id is known."""
    new = event["id"] not in orchestrator.releases
    orchestrator.releases[event["id"]] = {"id": event["id"], "incident_id": "inc-1"}
    return (202, ACCEPTED) if new else (200, {"status": "duplicate"})


@pytest.mark.usefixtures("known")
def test_a_report_becomes_an_incident_once(stackstorm):
    """The same task and key are one failure with one incident, whose plan is told; another key is another failure."""
    first, again = [stackstorm.run("redrive.report_failure", **REPORT) for _ in range(2)]
    other = stackstorm.run("redrive.report_failure", **dict(REPORT, key="run-2"))
    assert [each.output["new"] for each in (first, again, other)] == [True, False, True]
    assert first.output["failure_id"] == again.output["failure_id"] != other.output["failure_id"]
    assert {name: first.output[name] for name in ("incident_id", "revision", "plan")} == {
        "incident_id": "inc-1", "revision": 2, "plan": "escalate",
    }  # fmt: skip


def test_what_is_reported_is_an_event_that_no_retry_can_mend(stackstorm, known):
    """It is a CloudEvent of a permanent failure without a message; a sealed text arrives as it was."""
    stackstorm.run("redrive.report_failure", **REPORT)
    ((_, _, event, headers),) = [call for call in known.calls if call[1].endswith("/events")]
    assert headers["Content-Type"] == "application/cloudevents+json"
    data = event["data"]
    assert data["exception"]["type"] == "builtins.AssertionError"
    assert data["exception"]["message"] == "{{ 7*7 }} is out"
    assert (data["message"]["missing"], data["declaration"]["idempotent"]) == (True, False)


def test_without_a_rule_s_plan_it_says_so(stackstorm, known):
    """Whoever reported can then decide itself, on the revision that is told."""
    known.releases["inc-1"] = incident(None)
    done = stackstorm.run("redrive.report_failure", **REPORT)
    assert (done.status, done.output["plan"], done.output["revision"]) == ("succeeded", None, 2)


def test_a_refused_report_is_told_and_not_worth_another_try(stackstorm, orchestrator):
    """What the orchestrator does not take as it is ends with the exit code 0."""
    orchestrator.says["/events"] = (400, {"title": "Events refused", "detail": "no such type"})
    done = stackstorm.run("redrive.report_failure", **REPORT)
    assert (done.status, done.result["exit_code"]) == ("failed", 0)
    assert done.output["error"] == "Events refused: no such type"


def test_a_report_without_an_incident_is_worth_another_try(stackstorm, orchestrator):
    """An incident that does not come in time is an exception, no success."""
    orchestrator.says["/events"] = (202, ACCEPTED)
    done = stackstorm.run("redrive.report_failure", **REPORT)
    assert (done.status, done.result["exit_code"]) == ("failed", 1)
