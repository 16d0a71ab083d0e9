"""What a night does: `pytest --stackstorm-packs .. tests/workflows.py` in the pack's folder.

It needs the pytest plugin that comes with Redrive, so no test runner finds it by its name: StackStorm's own have none.
"""

from __future__ import annotations

import pytest

TOKEN = "t0p-s3cret"  # noqa: S105 the secret of a test, that of conftest.py
BREACH = {"verdict": "missed", "why": "p95 is {{ 7*7 }} <% 7*7 %>", "gates": [{"figure": "overhead_p95_ms"}]}


def night(stackstorm, **inputs):
    """Play one night."""
    return stackstorm.run("redrive_performance.nightly", dict({"poll_seconds": 0.05}, **inputs))


def test_a_night_that_passes_is_reported_and_closes_what_was_open(stackstorm, service, redrive):
    """Every step in order, nobody is woken, and the token goes with each call."""
    done = night(stackstorm)
    assert done.succeeded, done.errors
    steps = [(method, path) for method, path, _ in service.calls]
    assert steps == [
        ("GET", "/runs/missed"), ("POST", "/runs"), ("GET", "/runs/run-1"), ("GET", "/runs/run-1"),
        ("DELETE", "/runs/run-1"), ("GET", "/runs/run-1/comparison"), ("POST", "/runs/run-1/tell"),
    ]  # fmt: skip
    assert service.asked("POST", "/runs") == [
        {"scenario": "nightly", "idempotency_key": done.id, "timeout_seconds": 7200}
    ]
    assert (done.output["outcome"], done.output["event_id"], done.output["cleaned"]) == ("passed", "e-1", True)
    assert redrive.report.calls == []
    assert [call["query"] for call in redrive.discard.calls] == [{"task": "redrive_performance.nightly"}]
    assert service.tokens == {"Bearer " + TOKEN}


@pytest.mark.parametrize(("status", "ends"), [(404, "succeeded"), (403, "failed")])
@pytest.mark.usefixtures("service", "redrive")
def test_a_night_that_passes_may_find_nothing_to_close(stackstorm, status, ends):
    """Nothing was open: that is no failure, as any other refusal is."""
    refused = {"result": {"http_status": status}, "exit_code": 0}
    tried = stackstorm.stub("redrive.discard_failures", refused, status="failed")
    done = night(stackstorm)
    assert (done.status, done.output["outcome"], len(tried.calls)) == (ends, "passed", 1)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (BREACH, "sealed:missed%3A%20p95%20is%20%7B%7B%207%2A7%20%7D%7D%20%3C%25%207%2A7%20%25%3E"),
        ({"verdict": "not_measured", "why": "no calls"}, "sealed:not_measured%3A%20no%20calls"),
        ({"verdict": "not_measured", "state": "lost", "why": "lost"}, "sealed:not_measured%3A%20lost"),
    ],
)
def test_a_night_that_does_not_pass_is_escalated_once_and_fails(stackstorm, service, redrive, run, message):
    """Whatever its report says goes through sealed; the run is cleaned up and told all the same, nothing is closed."""
    service.ends(**run)
    done = night(stackstorm)
    assert (done.status, done.output["outcome"], done.output["incident_id"]) == ("failed", run["verdict"], "inc-1")
    (call,) = redrive.report.calls
    assert {name: call[name] for name in ("task", "message", "key")} == {
        "task": "redrive_performance.nightly", "message": message, "key": "run-1",
    }  # fmt: skip
    assert redrive.discard.calls == []
    # a rule of the pack redrive has given the plan
    assert redrive.instruct.calls == []
    assert len(service.asked("DELETE", "/runs/run-1")) == len(service.asked("POST", "/runs/run-1/tell")) == 1


def test_where_no_rule_plans_the_workflow_does(stackstorm, service, redrive):
    """The plan escalate is given by the pack redrive's own workflow, on the revision that was told."""
    incident = {"incident_id": "inc-1", "revision": 2, "plan": None, "new": True}
    report = stackstorm.stub("redrive.report_failure", {"result": incident, "exit_code": 0})
    service.ends(**BREACH)
    assert night(stackstorm).failed
    assert len(report.calls) == 1
    assert [(call["plan"], call["revision"]) for call in redrive.instruct.calls] == [("escalate", 2)]


@pytest.mark.parametrize(("escalate", "reports"), [(True, 1), (False, 0)])
def test_a_night_that_is_slower_than_before_is_escalated_unless_that_is_off(
    stackstorm, service, redrive, escalate, reports
):
    """The gates are met, and the figures that are worse are named."""
    service.says["GET", "/runs/run-1/comparison"] = (200, {"slower": ["api_p50_ms"], "compared_with": ["a"]})
    done = night(stackstorm, escalate_slower=escalate)
    assert (done.failed, done.output["outcome"], done.output["slower"]) == (escalate, "passed", ["api_p50_ms"])
    assert [call["message"] for call in redrive.report.calls] == [
        "sealed:slower%20than%20the%20nights%20before%3A%20api_p50_ms"
    ] * reports


def test_a_run_that_goes_is_not_started_twice_and_not_stopped(stackstorm, service, redrive):
    """Whose run it is waits for it; this night has none, which the rule watch tells."""
    service.says["POST", "/runs"] = (409, {"detail": "one goes", "going": "run-of-others"})
    done = night(stackstorm)
    assert (done.status, done.output["outcome"], done.output["run_id"]) == (
        "succeeded",
        "already_going",
        "run-of-others",
    )
    assert [method for method, _, _ in service.calls] == ["GET", "POST"]
    assert redrive.report.calls == []


def test_a_service_that_refuses_is_escalated(stackstorm, service, redrive):
    """It is not worth another try: nothing was played."""
    service.says["POST", "/runs"] = (422, {"title": "Unprocessable Entity", "detail": "no such scenario"})
    done = night(stackstorm)
    assert (done.failed, len(service.asked("POST", "/runs"))) == (True, 1)
    assert [call["message"] for call in redrive.report.calls] == ["the run could not be started"]


def test_a_report_that_nobody_takes_is_escalated(stackstorm, service, redrive):
    """The gates are met, but the night is in no warehouse."""
    service.says["POST", "/runs/run-1/tell"] = (409, {"detail": "no report"})
    assert night(stackstorm).failed
    assert [call["message"] for call in redrive.report.calls] == ["the report was not taken by the orchestrator"]


def test_a_night_tells_of_those_that_were_missed_before_it(stackstorm, service, redrive):
    """Each by its own key; this night is played all the same."""
    nights = ["2026-11-27T02:00:00+00:00", "2026-11-28T02:00:00+00:00"]
    service.says["GET", "/runs/missed"] = (200, {"missed": nights})
    done = night(stackstorm)
    assert (done.status, done.output["missed"]) == ("succeeded", nights)
    assert sorted(call["key"] for call in redrive.report.calls) == ["missed " + each for each in nights]
    # a night that passes gives up what is of its own task, and not these
    assert {call["task"] for call in redrive.report.calls} == {"redrive_performance.nightly.not_run"}


def test_the_watch_tells_of_a_night_without_a_run(stackstorm, service, redrive):
    """And says nothing where there was one."""
    assert stackstorm.run("redrive_performance.watch").succeeded
    assert redrive.report.calls == []
    service.says["GET", "/runs/missed"] = (200, {"missed": ["2026-11-28T02:00:00+00:00"]})
    assert stackstorm.run("redrive_performance.watch").succeeded
    (call,) = redrive.report.calls
    assert call["message"] == "no run of nightly began at 2026-11-28T02:00:00+00:00"


def test_the_watch_tells_of_a_run_that_nobody_told(stackstorm, service, redrive):
    """Its workflow was cancelled, or nobody took it: by the key and in the words that the night would have had."""
    no_pass = [dict(BREACH, id="run-1"), {"id": "run-2", "verdict": "not_measured", "why": "the run was lost"}]
    service.says["GET", "/runs/missed"] = (200, {"missed": [], "no_pass": no_pass})
    assert stackstorm.run("redrive_performance.watch").succeeded
    assert {(call["task"], call["key"]) for call in redrive.report.calls} == {
        ("redrive_performance.nightly", "run-1"),
        ("redrive_performance.nightly", "run-2"),
    }
    watched = sorted(call["message"] for call in redrive.report.calls)
    service.ends(**BREACH)
    assert night(stackstorm).failed
    assert redrive.report.calls[-1]["message"] == watched[0]


@pytest.mark.parametrize(
    ("escalate", "messages"), [(True, ["the service did not say how the run compares"]), (False, [])]
)
def test_a_comparison_that_nobody_gives_is_not_taken_for_no_slower(stackstorm, service, redrive, escalate, messages):
    """Nobody knows: it is escalated where being slower would be."""
    service.says["GET", "/runs/run-1/comparison"] = (403, {"title": "Forbidden"})
    done = night(stackstorm, escalate_slower=escalate)
    assert (done.failed, [call["message"] for call in redrive.report.calls]) == (escalate, messages)
    assert done.output["not_compared"] == "the service did not say how the run compares"


@pytest.mark.parametrize(
    "answer", [(409, {"detail": "too few"}), (200, {"slower": [], "compared_with": [], "why_not": "too few"})]
)
def test_a_night_that_has_nothing_to_compare_with_says_so(stackstorm, service, redrive, answer):
    """No report, or a history that is too short, escalates nothing by itself."""
    service.says["GET", "/runs/run-1/comparison"] = answer
    done = night(stackstorm)
    assert (done.status, done.output["not_compared"]) == ("succeeded", "sealed:too%20few")
    assert redrive.report.calls == []


@pytest.mark.usefixtures("redrive")
def test_a_comparison_is_asked_for_again(stackstorm, service):
    """A service that is away for a moment is no comparison that failed."""
    service.says["GET", "/runs/run-1/comparison"] = [(503, {}), (200, {"slower": [], "compared_with": ["a"]})]
    assert night(stackstorm).succeeded
    assert len(service.asked("GET", "/runs/run-1/comparison")) == 2


def test_a_watch_that_learns_nothing_is_escalated(stackstorm, service, redrive):
    """Nobody knows whether there was a run."""
    service.says["GET", "/runs/missed"] = (401, {"title": "Unauthorized"})
    assert stackstorm.run("redrive_performance.watch").failed
    assert len(redrive.report.calls) == 1


def test_what_still_goes_is_stopped_and_waited_for(stackstorm, service):
    """202 says that it is about to end."""
    service.says["DELETE", "/runs/run-1"] = [(202, {"state": "running"}), (200, {"state": "stopped"})]
    done = stackstorm.run("redrive_performance.stop_run", run_id="run-1")
    assert done.output == {"state": "stopped"}
