"""First retries told three ways: what agrees, and each way in which one of the three can be wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from loadtests.accounts import figures_of
from loadtests.evidence import Struck
from loadtests.first_retry.figures import wilson
from loadtests.scenarios.scenario import FaultKind
from tests.accounting import BACK, OUT, asked, changed, figure, good, redrive_of, run

if TYPE_CHECKING:
    from loadtests.evidence import Evidence


def _disagreements(evidence: Evidence) -> list[str]:
    accounts = figures_of(evidence)
    told: list[str] = accounts.first_retry["disagreements"]
    assert figure(accounts, "first_retry_disagreements").value == len(told)
    assert accounts.first_retry["agree"] is not bool(told)
    return told


def _attempts(evidence: Evidence, call: str, **other: object) -> list[dict[str, Any]]:
    return [dict(each) | (other if each["task_id"] == call else {}) for each in evidence.attempts]


def test_all_three_agree_on_a_run_that_went_well() -> None:
    """Nothing is named where ledger, settle, and worker and provider count alike."""
    accounts = figures_of(good())
    assert _disagreements(good()) == []
    success = figure(accounts, "first_retry_success")
    assert (success.value, success.numerator, success.denominator, success.samples) == (1.0, 5, 5, 5)
    assert (success.low, success.high) == tuple(round(each, 4) for each in wilson(5, 5))
    told = accounts.first_retry["accounts"]
    assert told["ledger"] == told["seen"] == {"first_attempts": 5, "first_successes": 5, "duplicates": 0}
    assert told["settle"] == {"first_attempts": 5, "first_successes": 5, "duplicates": None}


def test_a_ledger_that_counts_a_success_too_many_is_named_call_by_call() -> None:
    """A redrive that failed in the worker is no success because the ledger says so."""
    evidence = good()
    runs = [replace(each, state="FAILURE") if each.attempt == redrive_of("out-1") else each for each in evidence.runs]
    told = _disagreements(changed(evidence, runs=runs))
    assert "call out-1: the ledger has succeeded, worker and provider saw 0 of 1 succeed" in told
    assert "first_successes: the ledger has 5, worker and provider 4" in told


def test_a_redrive_that_nobody_saw_run_is_named() -> None:
    """What the ledger published and no worker ran is a first attempt of the ledger's alone."""
    evidence = good()
    runs = [each for each in evidence.runs if each.attempt != redrive_of("out-2")]
    requests = [each for each in evidence.asked if each.attempt != redrive_of("out-2")]
    told = _disagreements(changed(evidence, runs=runs, asked=requests))
    assert "call out-2: the ledger has succeeded, worker and provider saw 0 of 0 succeed" in told


def test_a_redrive_that_the_ledger_does_not_know_is_named() -> None:
    """A call that ran again though no attempt of it was recorded is found by what the worker saw."""
    evidence = good()
    told = _disagreements(
        changed(
            evidence,
            attempts=[each for each in evidence.attempts if each["task_id"] != "out-0"],
        )
    )
    assert "call out-0: the ledger has none, worker and provider saw 1 of 1 succeed" in told
    assert "first_attempts: the ledger has 5, the ledger's rows 4" in told


def test_an_attempt_of_a_call_that_nobody_sent_is_named() -> None:
    """The ledger's rows are held against the calls, too."""
    evidence = good()
    stranger = dict(evidence.attempts[0]) | {"task_id": "stranger"}
    told = _disagreements(changed(evidence, attempts=[*evidence.attempts, stranger]))
    assert "task stranger: the ledger has succeeded, nobody sent such a call" in told


def test_a_success_that_the_provider_never_answered_is_named() -> None:
    """The worker's word alone makes no success: the provider must have answered that run."""
    evidence = good()
    requests = [each for each in evidence.asked if each.attempt != redrive_of("out-3")]
    told = _disagreements(changed(evidence, asked=requests))
    run_ = redrive_of("out-3")
    assert f"call out-3 run {run_}: the worker says SUCCESS, the provider gave no good answer" in told


@pytest.mark.parametrize(
    ("settles", "expected"),
    [
        ([], "release r1 (succeeded): the ledger has (4, 4), settle told None"),
        (
            [{"release_id": "r1", "first_attempts": 4, "first_successes": 3}],
            "release r1 (succeeded): the ledger has (4, 4), settle told [(4, 3)]",
        ),
        (
            [{"release_id": "r1", "first_attempts": 4, "first_successes": 4}] * 2,
            "release r1 (succeeded): the ledger has (4, 4), settle told [(4, 4), (4, 4)]",
        ),
        (
            [{"release_id": "r9", "first_attempts": 1, "first_successes": 1}],
            "release r9: settle told [(1, 1)], the ledger knows no such release",
        ),
    ],
)
def test_settle_that_is_missing_wrong_double_or_strange_is_named(settles: list[dict[str, Any]], expected: str) -> None:
    """StackStorm's outputs are held against the ledger release by release, and in sum."""
    told = _disagreements(changed(good(), settles=settles))
    assert expected in told
    assert any("the outputs of settle" in each for each in told)


@pytest.mark.parametrize("status", ["failed", "timeout", None])
def test_a_run_of_settle_that_contradicts_what_it_told_is_named(status: str | None) -> None:
    """StackStorm's own word is the status: it succeeds where every first attempt did, and not otherwise."""
    settles = [dict(each) for each in good().settles]
    settles[0]["status"] = status
    told = _disagreements(changed(good(), settles=settles))
    assert told == [f"release r1: settle told 4 of 4, and its run is {status}"]


def test_an_aborted_release_is_left_out_and_said_so() -> None:
    """No rule hears of what a person aborted: settle cannot have counted it."""
    evidence = good()
    releases = [evidence.releases[0], dict(evidence.releases[1]) | {"state": "aborted"}]
    accounts = figures_of(changed(evidence, releases=releases, settles=evidence.settles[:1]))
    assert accounts.first_retry["agree"]
    assert accounts.first_retry["left_out"] == ["release r2: aborted, no rule hears of it"]


def test_a_redrive_that_was_killed_in_flight_did_not_succeed_though_it_was_answered() -> None:
    """An answer whose run was killed reached nobody; ledger and worker say failed, and agree."""
    evidence = good()
    killed = [replace(each, state=None, ended=None) if each.attempt == redrive_of("kill") else each
              for each in evidence.runs]  # fmt: skip
    second = run("kill", 35.0, attempt=redrive_of("kill", 2))
    requests = [*evidence.asked, asked("kill", 35.1, attempt=redrive_of("kill", 2))]
    again = dict(evidence.attempts[-1]) | {"id": redrive_of("kill", 2), "number": 2, "turn": 2}
    lost = dict(evidence.releases[1]) | {"first_successes": 0}
    lost_too = {"first_successes": 0, "status": "failed"}
    accounts = figures_of(
        changed(
            evidence,
            runs=[*killed, second],
            asked=requests,
            attempts=[*_attempts(evidence, "kill", state="failed"), again],
            first_retry=dict(evidence.first_retry) | {"first_successes": 4},
            releases=[evidence.releases[0], lost],
            settles=[evidence.settles[0], dict(evidence.settles[1]) | lost_too],
        )
    )
    assert accounts.first_retry["disagreements"] == []
    assert figure(accounts, "first_retry_success").value == pytest.approx(4 / 5)
    assert figure(accounts, "duplicate_executions").value == 0


def test_a_first_retry_that_failed_lowers_both_shares() -> None:
    """The success of a later redrive is none of the first."""
    evidence = good()
    failed, again = redrive_of("out-0"), redrive_of("out-0", 2)
    runs = [replace(each, state="FAILURE") if each.attempt == failed else each for each in evidence.runs]
    requests = [replace(each, status=503) if each.attempt == failed else each for each in evidence.asked]
    accounts = figures_of(
        changed(
            evidence,
            runs=[*runs, run("out-0", 33.0, attempt=again)],
            asked=[*requests, asked("out-0", 33.1, attempt=again)],
            first_retry=dict(evidence.first_retry) | {"first_successes": 4},
        )
    )
    assert figure(accounts, "first_retry_success").value == pytest.approx(4 / 5)
    assert figure(accounts, "first_retry_recoverable").value == pytest.approx(4 / 5)
    # waits of 2.5, 3.5, 4, 4.5 and 9.5 s
    assert figure(accounts, "added_wait_p95_s").value == pytest.approx(8.5)


def test_a_recoverable_call_that_was_never_released_counts_and_lowers_the_share() -> None:
    """Whoever leaves a call behind cannot have a share of one hundred per cent of the recoverable."""
    evidence = good()
    left = redrive_of("out-3")
    accounts = figures_of(
        changed(
            evidence,
            runs=[each for each in evidence.runs if each.attempt != left],
            asked=[each for each in evidence.asked if each.attempt != left],
        )
    )
    never = figure(accounts, "recoverable_never_released")
    assert (never.value, never.about) == (1, "among them out-3")
    assert figure(accounts, "first_retry_recoverable").value == pytest.approx(4 / 5)


def test_a_second_success_is_a_duplicate_by_whoever_counts_it() -> None:
    """A run that succeeded after one had is found by worker and provider, and the ledger's own count is not lower."""
    evidence = good()
    twice = redrive_of("on")
    more = changed(
        evidence,
        runs=[*evidence.runs, run("on", 30.0, attempt=twice)],
        asked=[*evidence.asked, asked("on", 30.1, attempt=twice)],
    )
    assert figure(figures_of(more), "duplicate_executions").value == 1
    assert "duplicates: the ledger has 0, worker and provider 1" in _disagreements(more)
    told = changed(evidence, first_retry=dict(evidence.first_retry) | {"duplicates": 2})
    assert figure(figures_of(told), "duplicate_executions").value == 2


def test_a_call_that_the_broker_delivers_again_is_a_duplicate_and_no_disagreement() -> None:
    """Its first run succeeded twice and nothing was redriven: the ledger cannot know of it, and it is named."""
    evidence = good()
    again = changed(evidence, runs=[*evidence.runs, run("on", 30.0)], asked=[*evidence.asked, asked("on", 30.1)])
    accounts = figures_of(again)
    assert figure(accounts, "duplicate_executions").value == 1
    assert accounts.first_retry["agree"]
    assert accounts.first_retry["left_out"] == ["call on: ran again without a redrive, no ledger hears of it"]


@pytest.mark.parametrize(("died_at", "left"), [(20.0, 0), (40.0, 1)])
def test_a_death_excuses_the_duplicates_of_calls_that_were_under_way(died_at: float, left: int) -> None:
    """The orchestrator died while the call was under way: it may have been published twice. Later, none is excused."""
    evidence = good()
    twice = redrive_of("on")
    death = Struck(FaultKind.ORCHESTRATOR_KILLED, "", 0, died_at, died_at + 2, "SIGKILL")
    more = changed(
        evidence,
        runs=[*evidence.runs, run("on", 30.0, attempt=twice)],
        asked=[*evidence.asked, asked("on", 30.1, attempt=twice)],
        struck=[*evidence.struck, death],
    )
    found = figure(figures_of(more), "duplicate_executions")
    assert found.value == left
    assert found.about.endswith(f"{1 - left} more")


def test_a_copy_that_the_plugin_skipped_is_no_duplicate() -> None:
    """What was skipped did not run."""
    evidence = good()
    copy = run("out-0", 32.0, "SKIPPED", redrive_of("out-0"))
    accounts = figures_of(changed(evidence, runs=[*evidence.runs, copy]))
    assert figure(accounts, "duplicate_executions").value == 0
    assert accounts.first_retry["agree"]


def test_each_kind_has_its_row() -> None:
    """The table tells apart what first runs met; what is malformed cannot come back, and is not recoverable."""
    rows = {each["kind"]: each for each in figures_of(good()).first_retry["kinds"]}
    assert list(rows) == ["child_killed", "malformed", "provider_down"]
    down, killed, bad = rows["provider_down"], rows["child_killed"], rows["malformed"]
    assert (down["failed"], down["released"], down["first_succeeded"], down["recoverable"]) == (4, 4, 4, 4)
    # the outage was over at 24, they succeeded from 25.5 to 28.5
    assert (down["wait_p50"], down["wait_p95"]) == (3.0, pytest.approx(4.35))
    assert (killed["failed"], killed["wait_p50"]) == (1, 4.0)
    assert (bad["failed"], bad["recoverable"], bad["never_released"], bad["share"]) == (1, 0, 1, None)
    assert figures_of(good()).first_retry["total"]["failed"] == 6


def test_what_failed_without_a_known_trouble_is_unexplained_and_recoverable() -> None:
    """Nothing is wrong with such a call: it must come back at the first try."""
    evidence = good()
    runs = [*[each for each in evidence.runs if each.id != "on"], run("on", 12.0, "FAILURE")]
    accounts = figures_of(changed(evidence, runs=runs))
    rows = {each["kind"]: each for each in accounts.first_retry["kinds"]}
    assert rows["unexplained"]["recoverable"] == 1
    assert figure(accounts, "recoverable_never_released").value == 1


def test_a_failure_of_the_worker_without_the_plugin_is_nobody_s_to_bring_back() -> None:
    """The arm without the plugin has no recovery: what fails there is in no row."""
    evidence = good()
    runs = [*[each for each in evidence.runs if each.id != "off"], run("off", 10.0, "FAILURE")]
    accounts = figures_of(changed(evidence, runs=runs))
    assert figure(accounts, "recoverable_never_released").value == 0
    assert accounts.first_retry["total"]["failed"] == 6


def test_where_nothing_failed_nothing_was_measured() -> None:
    """No failure, no first retry: every figure of them says why it is none, and none of them passes for perfect."""
    evidence = good()
    calm = changed(
        evidence,
        runs=[run(call.id, call.sent) for call in evidence.calls],
        asked=[asked(call.id, call.sent + 0.1) for call in evidence.calls],
        calls=[replace(each, malformed=False) for each in evidence.calls],
        first_retry={"first_attempts": 0, "first_successes": 0, "first_in_flight": 0, "duplicates": 0},
        attempts=[],
        releases=[],
        settles=[],
    )
    accounts = figures_of(calm)
    names = ("first_retry_success", "first_retry_recoverable", "first_retry_disagreements", "duplicate_executions")
    for name in (*names, "recoverable_never_released", "added_wait_p50_s", "added_wait_p95_s"):
        assert not figure(accounts, name).measured
        assert "got none" in str(figure(accounts, name).why_not)


def test_a_call_that_nobody_saw_is_a_problem() -> None:
    """A message that vanished in the broker leaves no run: it is named."""
    evidence = good()
    runs = [each for each in evidence.runs if each.id != "on"]
    requests = [each for each in evidence.asked if each.id != "on"]
    (problem,) = figures_of(changed(evidence, runs=runs, asked=requests)).problems
    assert problem == "expected every call to come to a worker, got 1 that were never seen, on first"


def test_the_sample_is_what_it_says() -> None:
    """Five calls come back, four of them from the outage."""
    assert len(BACK) == 5
    assert len(OUT) == 4


def test_a_run_that_was_killed_between_its_result_and_its_last_stamp_succeeded() -> None:
    """The result backend has its result: it has not failed, needs no redrive, and may have told the rest or not."""
    evidence = good()
    cut = [replace(each, state=None, ended=None) if each.id == "on" else each for each in evidence.runs]
    unknown = figures_of(changed(evidence, runs=cut))
    assert figure(unknown, "recoverable_never_released").value == 1
    known = figures_of(changed(evidence, runs=cut, results={"on": "SUCCESS"}))
    assert figure(known, "recoverable_never_released").value == 0
    assert figure(known, "events_lost").value == 0
    silent = changed(
        evidence,
        runs=cut,
        results={"on": "SUCCESS"},
        costs=[each for each in evidence.costs if each["task_id"] != "on"],
    )
    assert figure(figures_of(silent), "cost_completeness").value == 1.0


def test_a_result_of_failure_or_of_another_run_changes_nothing() -> None:
    """Only a success that nobody told is taken from the result backend."""
    evidence = good()
    cut = [replace(each, state=None, ended=None) if each.id == "on" else each for each in evidence.runs]
    failed = figures_of(changed(evidence, runs=cut, results={"on": "FAILURE"}))
    assert figure(failed, "recoverable_never_released").value == 1
    told = figures_of(changed(evidence, results={"kill": "SUCCESS"}))
    assert told.first_retry["kinds"] == figures_of(evidence).first_retry["kinds"]
