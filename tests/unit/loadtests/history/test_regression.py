"""The regression test: as silent over equal code as it says, and it finds a build that is 20 % slower."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from loadtests.history.reading import TESTED, Reading, reading_of
from loadtests.history.regression import TOGETHER, Rule, blunt, holm, judged
from loadtests.history.student import above, quantile
from tests.loadtest_reports import CONTROL, VALUES, noisy, report

# As published in every table of Student's distribution: degrees of freedom, share above, t.
TABLE = [(1, 0.05, 6.314), (4, 0.01, 3.747), (8, 0.025, 2.306), (10, 0.01, 2.764), (120, 0.0005, 3.373)]


@pytest.mark.parametrize(("df", "share", "t"), TABLE)
def test_students_distribution_is_that_of_the_tables(df: float, share: float, t: float) -> None:
    """Both ways, and on both sides of 0."""
    assert quantile(share, df) == pytest.approx(t, abs=0.001)
    assert above(t, df) == pytest.approx(share, rel=0.005)
    assert above(-t, df) == pytest.approx(1 - share, rel=0.001)
    assert quantile(1 - share, df) == pytest.approx(-t, abs=0.001)


def told_slower(
    dice: Random,
    trials: int,
    *,
    slower: float = 1.0,
    rule: Rule | None = None,
    spread: float = 0.03,
    shared: float = 0.0,
) -> int:
    """Count the runs that are told slower, of that many, each after ten runs of equal code of its own."""
    count = 0
    for _ in range(trials):
        earlier = [reading_of(noisy(dice, night, spread, shared=shared)) for night in range(10)]
        tests = judged(reading_of(noisy(dice, 10, spread, slower, shared=shared)), earlier, rule)
        count += any(each.slower for each in tests)
    return count


def test_the_false_alarms_are_as_many_as_the_rule_says() -> None:
    """Without a least effect: 5 % of 2,000 runs of equal code, within what chance allows of that (3.4 to 6.6 %).

    A rule with a tenth of the chance has far fewer, so the rate is held by the rule and not by luck.
    """
    alarms = told_slower(Random(7), 2_000, rule=Rule(least_effect=0.0))
    assert 68 <= alarms <= 132
    assert told_slower(Random(7), 2_000, rule=Rule(alpha=0.005, least_effect=0.0)) <= 22


def test_a_machine_that_swings_is_no_alarm_and_hides_none() -> None:
    """With the shipped rule, a machine that swings by 5 % and figures by 3 % more: below 3 % of false alarms, and above
    95 % of the builds that are 20 % slower are found on ten earlier runs.
    """
    assert told_slower(Random(8), 600) <= 18
    assert told_slower(Random(9), 300, slower=1.2) >= 285


def test_noise_takes_power_and_gives_no_alarms() -> None:
    """Figures that swing by 10 %: as few false alarms, and most 20 % slower builds are not told from noise."""
    assert told_slower(Random(10), 600, spread=0.1) <= 36
    assert 60 <= told_slower(Random(11), 200, slower=1.2, spread=0.1) <= 150


def test_a_swing_that_all_figures_share_takes_power_too() -> None:
    """What the control does not see and no mean over the figures cancels out: no more alarms, and far fewer found."""
    assert told_slower(Random(12), 600, spread=0.04, shared=0.05) <= 36
    found = [told_slower(Random(13), 300, slower=1.2, spread=0.04, shared=swing) for swing in (0.0, 0.05, 0.1)]
    assert found[0] >= 290
    assert 170 <= found[1] <= 240
    assert 40 <= found[2] <= 110


def test_a_slower_machine_is_not_a_slower_build() -> None:
    """A run at half the pace whose control took twice as long is foretold; the same without the control is an alarm."""
    earlier = [reading_of(noisy(Random(night), night, 0.01, machine=0.1)) for night in range(10)]
    half = {name: value * 2 for name, value in VALUES.items()}
    slow = report(10, half, control={name: value * 2 for name, value in CONTROL.items()})
    assert not any(each.slower for each in judged(reading_of(slow), earlier))
    assert all(each.slower for each in judged(reading_of(report(10, half)), earlier))


def test_a_certain_and_tiny_difference_wakes_nobody() -> None:
    """5 % more on figures that never swing is significant, and less than what is told."""
    earlier = [reading_of(report(night)) for night in range(10)]
    tests = judged(reading_of(report(10, {name: VALUES[name] * 1.05 for name in TESTED})), earlier)
    assert all(each.p < 0.001 for each in tests)
    assert not any(each.slower for each in tests)
    assert [round(each.ratio, 3) for each in tests] == [1.05] * (len(TESTED) + 1)


def test_what_no_figure_shows_alone_all_of_them_show() -> None:
    """Figures that each swing by 8 %: the mean finds more builds that are 20 % slower than any of them does."""
    dice, found = Random(12), Counter[str]()
    for _ in range(200):
        earlier = [reading_of(noisy(dice, night, 0.08)) for night in range(10)]
        tests = judged(reading_of(noisy(dice, 10, 0.08, 1.2)), earlier)
        found.update(each.figure for each in tests if each.slower)
    assert found[TOGETHER] > 150
    assert max(found[name] for name in TESTED) < 120


def test_one_figure_alone_has_no_mean() -> None:
    """It would be tested twice."""
    earlier = [reading_of(report(night, only("api_p50_ms"))) for night in range(6)]
    assert [each.figure for each in judged(reading_of(report(6, only("api_p50_ms"))), earlier)] == ["api_p50_ms"]


def only(name: str) -> dict[str, float | None]:
    """Give values of which one alone is measured."""
    return {each: VALUES[each] if each == name else None for each in VALUES}


def test_one_figure_that_is_slower_is_named_alone() -> None:
    """The others stay as they are."""
    dice = Random(3)
    earlier = [reading_of(noisy(dice, night)) for night in range(10)]
    new = report(10, {"api_p50_ms": VALUES["api_p50_ms"] * 1.3})
    assert [each.figure for each in judged(reading_of(new), earlier) if each.slower] == ["api_p50_ms"]


def test_a_figure_is_tested_where_enough_runs_have_it() -> None:
    """Below the fewest runs nothing is tested; a figure that is not measured, or not above 0, is left out."""
    dice = Random(4)
    earlier = [reading_of(noisy(dice, night)) for night in range(6)]
    assert judged(reading_of(report(9)), earlier[1:]) == []
    partly = reading_of(report(9, {"api_p50_ms": None, "worker_cpu_overhead_us": -3.0}))
    tested = {each.figure for each in judged(partly, earlier)}
    assert tested == {"orchestrator_cpu_us_per_call", "worker_overhead_p50_ms", TOGETHER}
    assert judged(replace(reading_of(report(9)), control={}), earlier) == []


def widths(document: dict[str, Any], share: float) -> Reading:
    """Give a run's reading, one figure's interval as wide as a share of its value."""
    read = reading_of(document)
    return replace(read, widths={"api_p50_ms": share * VALUES["api_p50_ms"]})


def test_a_figure_that_is_measured_bluntly_is_left_out() -> None:
    """By the runs before and not by the new one; it takes no chance from the others then."""
    dice = Random(6)
    nights = [noisy(dice, night) for night in range(8)]
    new = reading_of(report(9, {"api_p50_ms": 80.0}))
    sharp = judged(new, [widths(each, 0.4) for each in nights])
    dull = judged(new, [widths(each, 0.6) for each in nights])
    assert [each.figure for each in sharp if each.slower] == ["api_p50_ms", TOGETHER]
    assert {each.figure for each in dull} == {*TESTED, TOGETHER} - {"api_p50_ms"}
    assert blunt([widths(each, 0.6) for each in nights]) == pytest.approx({"api_p50_ms": 0.6}, rel=0.1)
    assert blunt([reading_of(each) for each in nights]) == {}


def test_the_order_of_the_earlier_runs_says_nothing() -> None:
    """Any order of the same runs gives the same test."""
    dice = Random(5)
    earlier, new = [reading_of(noisy(dice, night)) for night in range(12)], reading_of(noisy(dice, 12))
    once, again = judged(new, earlier), judged(new, earlier[::-1])
    assert [each.p for each in once] == pytest.approx([each.p for each in again])


def test_holms_correction() -> None:
    """The smallest by their number, the next by one less, never below a smaller one, never above 1."""
    corrected = holm({"a": 0.01, "b": 0.04, "c": 0.015, "d": 0.9})
    assert corrected == pytest.approx({"a": 0.04, "c": 0.045, "b": 0.08, "d": 0.9})
    assert holm({"a": 0.02, "b": 0.011}) == pytest.approx({"b": 0.022, "a": 0.022})
    assert holm({}) == {}
