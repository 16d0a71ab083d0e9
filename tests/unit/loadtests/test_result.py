"""A load test says what it measured, and what it could not."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

import pytest

from loadtests.locust_figures import Requests
from loadtests.overhead import FirstRetries, Overhead
from loadtests.result import LoadResult
from loadtests.testbed import Settled
from loadtests.timings import SPANS, Run
from loadtests.turns import take_turns

MEASURED = Overhead(on=0.065, off=0.06, difference=0.005, low=-0.001, high=0.009, samples_on=800, samples_off=790)
TURNS = take_turns(60.0, Random(7))
RESULT = LoadResult(
    seed=7,
    seconds=60.0,
    users=20,
    turns=TURNS,
    outage_seconds=5.0,
    recovery_seconds=6.25,
    runs=[Run("1-on", 0, 0, 1, 2, "SUCCESS"), Run("outage", 1, 0, 2, 3, "FAILURE"), Run("2-off", 2, 0)],
    measured_runs={turn.block: [Run(turn.block, 0, 0, 1, 2, "SUCCESS")] for turn in TURNS},
    overheads=dict.fromkeys(SPANS, MEASURED),
    first_retries=FirstRetries(successes=96, attempts=100),
    beside={"first_in_flight": 0, "never_released": 0, "duplicates": 0},
    settled=Settled(executions=3, first_attempts=100, first_successes=96),
    requests=[Requests("POST /calls", 2000, 0, 12.0)],
    problems=[],
)


def test_the_data_is_json_with_units_in_its_names() -> None:
    """What --json prints holds both shares' numbers, the interval and the sample sizes, in milliseconds."""
    data = json.loads(json.dumps(RESULT.as_data()))
    assert data["measured"] is True
    assert data["calls"] == {"sent": 3, "succeeded_at_once": 1, "failed_at_first": 1, "unfinished": 1}
    assert set(data["overhead"]) == set(SPANS)
    assert data["overhead"]["end_to_end"]["difference_ms"] == pytest.approx(5.0)
    assert data["overhead"]["end_to_end"]["samples_off"] == 790
    assert (data["first_retry"]["successes"], data["first_retry"]["attempts"]) == (96, 100)
    assert data["first_retry"]["agrees"] is True
    assert len(data["turns"]) == 20
    assert all(turn["measured"] == 1 and turn["end_to_end_p95_ms"] == 2000 for turn in data["turns"])


def test_the_text_names_numerator_denominator_and_interval() -> None:
    """What is printed holds every figure that the data holds a reader would quote."""
    text = RESULT.as_text()
    assert "overhead p95 5.00 ms (95 % between -1.00 ms and 9.00 ms)" in text
    assert "first-retry success 96.0% (96 of 100)" in text
    assert "settle's sums in StackStorm: 96 of 100, in 3 executions: they agree" in text
    assert "seed 7" in text
    assert "NOT MEASURED" not in text


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (replace(RESULT, settled=Settled(3, 100, 95)), "expected settle's sums to be the ledger's counts"),
        (
            replace(RESULT, first_retries=FirstRetries(0, 0), settled=Settled(0, 0, 0)),
            "expected redrives to count first retries of, got none",
        ),
        (replace(RESULT, problems=["overhead: too few"]), "overhead: too few"),
        (replace(RESULT, requests=[Requests("POST /calls", 100, 6, 9.0)]), "got 6 of 100 that were not"),
    ],
)
def test_what_was_not_measured_is_said(result: LoadResult, why: str) -> None:
    """A figure that is missing or contradicted makes the run no measurement, in data and in text."""
    assert not result.measured
    assert any(why in problem for problem in result.as_data()["problems"])
    assert f"NOT MEASURED: {result.why_not[0]}" in result.as_text()


def test_a_run_without_anything_still_tells_itself() -> None:
    """Without overheads, requests and redrives there is still a text and data."""
    empty = replace(RESULT, overheads=dict.fromkeys(SPANS), first_retries=FirstRetries(0, 0), requests=[], runs=[])
    assert "not measured" in empty.as_text()
    assert empty.as_data()["first_retry"]["share"] is None
