"""The verdict: met, missed or not measured, and never passed for want of a figure."""

from __future__ import annotations

import pytest

from loadtests.scenarios.scenario import Engines, Scenario
from loadtests.verdict.figures import Figure
from loadtests.verdict.gate import Gate, JudgedBy, Rule
from loadtests.verdict.judging import Outcome, judge

SCENARIO = Scenario("smoke", "", Engines.EMBEDDED, 1, 10, ())
VALUE = Gate("f", Rule.AT_LEAST, 0.95, "why")
HIGH = Gate("f", Rule.BELOW, 150, "why", JudgedBy.HIGH, widest=150, fewest=100)


def measured(value: float | None, low: float | None = None, high: float | None = None, n: int | None = 500) -> Figure:
    """Give a figure with an interval."""
    return Figure("f", "ms", value, low, high, n)


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (Rule.BELOW, 4.9, 5),
        (Rule.AT_MOST, 5, 5.1),
        (Rule.EQUALS, 5, 4),
        (Rule.AT_LEAST, 5, 4.9),
        (Rule.ABOVE, 5.1, 5),
    ],
)
def test_each_rule_has_two_sides(rule: Rule, good: float, bad: float) -> None:
    """Each is met by one number and missed by its neighbour, with the exit codes 0 and 99."""
    gate = Gate("f", rule, 5, "why")
    passed, missed = (judge([measured(each)], [gate], SCENARIO) for each in (good, bad))
    assert (passed.outcome, passed.exit_code, passed.rows[0].mark) == (Outcome.PASSED, 0, "✓")
    assert (missed.outcome, missed.exit_code, missed.rows[0].mark) == (Outcome.MISSED, 99, "✗")


@pytest.mark.parametrize(
    ("value", "low", "high", "met", "why"),
    [
        (20, 10, 30, True, "high end keeps"),
        (140, 100, 149.9, True, "high end keeps"),
        (140, 120, 160, False, "the value keeps to the limit"),
        (155, 140, 170, False, "the value is beyond"),
        (20, -100, 60, None, "at most 150"),
        (140, 20, 300, None, "at most 150"),
        (400, 200, 900, False, "whole interval"),
        (20, None, None, None, "expected an interval"),
        (20, None, 30, None, "both ends"),
        (float("nan"), 1, 2, None, "expected a number"),
        (20, 1, float("inf"), None, "expected an interval"),
        (None, None, None, None, "expected a number"),
    ],
)
def test_an_interval_decides(
    value: float | None, low: float | None, high: float | None, met: bool | None, why: str
) -> None:
    """By its upper end; too wide is not measured, unless all of it is beyond the limit."""
    [row] = judge([measured(value, low, high)], [HIGH], SCENARIO).rows
    assert row.met is met
    assert why in row.why


@pytest.mark.parametrize(
    "figures",
    [
        [],
        [Figure.unmeasured("f", "ms", "no calls")],
        [Figure("f", "ms", 1, why_not="the clock jumped")],
        [measured(1, 0, 2), measured(1, 0, 2)],
        [measured(1, 0, 2, n=99)],
        [measured(1, 0, 2, n=None)],
    ],
)
def test_what_was_not_measured_is_not_passed(figures: list[Figure]) -> None:
    """No figure, one that something speaks against, two of one name, or too few samples: 'could not measure', 1."""
    verdict = judge(figures, [HIGH], SCENARIO)
    assert (verdict.outcome, verdict.exit_code, verdict.rows[0].mark) == (Outcome.NOT_MEASURED, 1, "?")
    assert verdict.rows[0].why


def test_why_a_figure_is_missing_is_told() -> None:
    """The row repeats what the figure says."""
    [row] = judge([Figure.unmeasured("f", "ms", "no calls")], [HIGH], SCENARIO).rows
    assert row.why == "no calls"


def test_all_takes_the_denominator_for_the_limit() -> None:
    """Seven of seven is met, six of seven is not, six of nothing cannot be told."""
    gate = Gate("f", Rule.ALL, None, "why")
    of_seven = [judge([Figure("f", "", n, denominator=7)], [gate], SCENARIO).rows[0] for n in (7, 6)]
    assert [(row.met, row.limit) for row in of_seven] == [(True, 7), (False, 7)]
    assert judge([Figure("f", "", 6)], [gate], SCENARIO).rows[0].met is None


def test_a_share_counts_its_denominator_as_samples() -> None:
    """Where a figure says nothing of samples, its denominator is their number."""
    gate = Gate("f", Rule.AT_LEAST, 0.95, "why", fewest=73)
    shares = [Figure("f", "", 1.0, numerator=n, denominator=n) for n in (72, 73)]
    assert [judge([share], [gate], SCENARIO).rows[0].met for share in shares] == [None, True]


def test_a_miss_outweighs_what_was_not_measured() -> None:
    """A breach is not hidden by a missing figure or a problem; either of these alone is no pass."""
    other = Gate("g", Rule.BELOW, 1, "why")
    assert judge([measured(0.9)], [VALUE, other], SCENARIO, ["x"]).outcome is Outcome.MISSED
    assert judge([measured(0.96)], [VALUE, other], SCENARIO).outcome is Outcome.NOT_MEASURED
    assert judge([measured(0.96)], [VALUE], SCENARIO, ["x"]).outcome is Outcome.NOT_MEASURED
    assert judge([measured(0.96)], [VALUE], SCENARIO).outcome is Outcome.PASSED


def test_a_run_of_which_nothing_is_asked_has_measured_nothing() -> None:
    """Gates for other scenarios alone are no pass."""
    gate = Gate("f", Rule.BELOW, 1, "why", only=("soak",))
    assert judge([measured(0)], [gate], SCENARIO).outcome is Outcome.NOT_MEASURED
