"""The difference of two arms: its interval holds the truth as often as it says, or there is none and it says why."""

from __future__ import annotations

from random import Random

import pytest

from loadtests.measuring.bootstrap import interval, student, tail_of
from loadtests.measuring.comparing import QUANTILES, Pair, What, compare

WHAT = What("up", "on", "worker")
ADDED = 0.002


def pairs(dice: Random, count: int, calls: int, added: float = ADDED) -> list[Pair]:
    """Make durations around 20 ms, the machine's mood in every pair and in every block, `added` seconds on one side.

    Both arms are of one distribution but for what is added: that is the true difference at every quantile.
    """
    made = []
    for _ in range(count):
        mood = dice.gauss(0, 0.15)
        on, off = ([0.02 * dice.lognormvariate(each, 0.4) for _ in range(calls)] for each in _moods(mood, dice))
        made.append(Pair([each + added for each in on], off))
    return made


def _moods(mood: float, dice: Random) -> tuple[float, float]:
    return mood + dice.gauss(0, 0.1), mood + dice.gauss(0, 0.1)


@pytest.mark.parametrize(("count", "calls"), [(6, 100), (15, 60)])
def test_the_interval_holds_the_truth_as_often_as_it_says(count: int, calls: int) -> None:
    """Of 120 runs whose truth is known, an interval of 95 % misses it in few: 12 or more has a chance below 0.02."""
    misses = dict.fromkeys(QUANTILES, 0)
    for seed in range(120):
        dice = Random(seed)
        told = compare(WHAT, pairs(dice, count, calls), dice, resamples=300)
        for name in QUANTILES:
            found = told.at(name)
            assert found.low is not None
            assert found.high is not None
            misses[name] += not found.low <= ADDED * 1000 <= found.high
    assert max(misses.values()) < 12


def test_an_interval_over_single_calls_would_miss_it() -> None:
    """What the pairs are drawn for: every call a pair of its own, and the interval is much too narrow."""
    misses = 0
    for seed in range(40):
        dice = Random(seed)
        made = pairs(dice, 6, 60)
        single = [Pair([on], [off]) for each in made for on, off in zip(each.on, each.off, strict=True)]
        found = compare(WHAT, single, dice, resamples=100).p50
        assert found.low is not None
        assert found.high is not None
        misses += not found.low <= ADDED * 1000 <= found.high
    assert misses > 6


def test_the_values_are_the_arms_own() -> None:
    """Both quantiles and their difference are milliseconds, with the counts of what they rest on."""
    told = compare(WHAT, [Pair([0.003] * 100, [0.001] * 110)] * 5, Random(1))
    assert (told.p95.on, told.p95.off, told.p95.difference) == pytest.approx((3.0, 1.0, 2.0))
    assert (told.samples_on, told.samples_off, told.blocks) == (500, 550, 5)


def test_no_difference_is_seen_where_there_is_none() -> None:
    """Zero lies in the interval."""
    found = compare(WHAT, pairs(Random(3), 20, 50, added=0.0), Random(4)).p95
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0 < found.high


def test_few_pairs_are_refused() -> None:
    """Three pairs know nothing of how pairs differ."""
    told = compare(WHAT, pairs(Random(1), 3, 400), Random(1))
    assert told.p50.why_not == "expected at least 4 pairs of blocks, got 3; run longer or in shorter blocks"
    assert told.p95.low is told.p95.difference is None


def test_a_quantile_of_few_calls_is_refused_and_the_others_are_not() -> None:
    """240 calls have a p95, and no p99."""
    told = compare(WHAT, pairs(Random(1), 6, 40), Random(1))
    assert told.p95.difference is not None
    assert told.p99.why_not == "expected at least 500 calls on, got 240; run longer"


def test_calls_that_did_not_succeed_count_against_the_plugin() -> None:
    """Six in a thousand that never came back are its slowest: the p99 with the plugin can only rise."""
    whole = pairs(Random(1), 10, 200)
    torn = [Pair(each.on, each.off, missing_on=1) for each in whole]
    with_missing, without = compare(WHAT, torn, Random(1)).p99, compare(WHAT, whole, Random(1)).p99
    assert with_missing.difference is not None
    assert without.difference is not None
    assert with_missing.difference > without.difference


@pytest.mark.parametrize("arm", ["on", "off"])
def test_many_calls_that_did_not_succeed_are_no_comparison(arm: str) -> None:
    """Two in a hundred gone: those that are left are a choice, and it says so."""
    torn = [Pair(each.on, each.off, **{f"missing_{arm}": 4}) for each in pairs(Random(1), 10, 200)]
    assert compare(WHAT, torn, Random(1)).p50.why_not == (
        f"expected calls {arm} to succeed at once, got 40 of 2040 that did not"
    )


def test_student_s_quantiles() -> None:
    """The series is the table's, and with many clusters the tail is the plain bootstrap's."""
    table = {3: 3.182, 5: 2.571, 10: 2.228, 30: 2.042, 1000: 1.962}
    assert all(student(freedom) == pytest.approx(value, rel=0.01) for freedom, value in table.items())
    assert tail_of(10_000) == pytest.approx(0.025, rel=0.01)
    assert tail_of(6) < 0.01


def test_an_interval_of_few_clusters_is_none() -> None:
    """Whoever asks gets no number where there is none."""
    assert interval(sum, 3, Random(1)) is None
