"""The overhead is a difference that an interval surrounds, and a share names both its numbers."""

from __future__ import annotations

from random import Random

import pytest

from loadtests.overhead import FirstRetries, overhead, overhead_in_turns, p95


def durations(seed: int, count: int, extra: float = 0.0) -> list[float]:
    """Make durations around 20 ms with a long tail, in seconds."""
    dice = Random(seed)
    return [0.02 * dice.lognormvariate(0, 0.4) + extra for _ in range(count)]


def test_no_difference_is_seen_where_there_is_none() -> None:
    """Two samples of one distribution: the interval holds zero."""
    told = overhead(durations(1, 2000), durations(2, 2000), Random(3))
    assert told.low < 0 < told.high
    assert told.low < told.difference < told.high


def test_a_difference_is_seen_where_there_is_one() -> None:
    """Five milliseconds more on one side: the interval holds them and not zero."""
    told = overhead(durations(1, 2000, 0.005), durations(2, 2000), Random(3))
    assert 0 < told.low < 0.005 < told.high


def test_the_interval_is_the_bootstrap_s() -> None:
    """The order statistic that stands for a resample gives the interval that real resamples give."""
    on, off, dice = durations(1, 300), durations(2, 300), Random(5)
    told = overhead(on, off, Random(4))
    rank = 285
    drawn = sorted(
        sorted(dice.choices(on, k=300))[rank - 1] - sorted(dice.choices(off, k=300))[rank - 1] for _ in range(2000)
    )
    assert told.low == pytest.approx(drawn[50], abs=0.0015)
    assert told.high == pytest.approx(drawn[1949], abs=0.0015)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Of 40 pairs without a difference, the 95 % interval misses zero in few."""
    misses = 0
    for seed in range(40):
        told = overhead(durations(seed, 200), durations(1000 + seed, 200), Random(seed))
        misses += not told.low <= 0 <= told.high
    assert misses <= 6


def test_too_few_durations_are_refused() -> None:
    """A p95 of a handful is none: it says how many there were."""
    with pytest.raises(ValueError, match="expected at least 100 durations of each, got 99 on and 2000 off"):
        overhead(durations(1, 99), durations(2, 2000), Random(3))


def test_a_line_names_its_samples() -> None:
    """What is printed holds both p95s, the interval and the sample sizes."""
    line = str(overhead(durations(1, 200), durations(2, 150), Random(3)))
    assert "(n=200)" in line
    assert "(n=150)" in line
    assert "between" in line


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (FirstRetries(95, 100), "first-retry success 95.0% (95 of 100)"),
        (FirstRetries(0, 0), "first-retry success no share (0 of 0)"),
    ],
)
def test_a_share_names_numerator_and_denominator(told: FirstRetries, line: str) -> None:
    """First-retry success is never told without its two numbers."""
    assert str(told) == line


def turns(seed: int, pairs: int, extra: float = 0.0) -> list[tuple[list[float], list[float]]]:
    """Make pairs of turns on a machine that is busier in some turns than in others, as a shared one is."""
    dice = Random(seed)
    busy = [(dice.lognormvariate(0, 0.3), dice.lognormvariate(0, 0.3)) for _ in range(pairs)]
    made = []
    for number, (one, other) in enumerate(busy):
        on = [each * one + extra for each in durations(10_000 * seed + number, 40)]
        made.append((on, [each * other for each in durations(20_000 * seed + number, 40)]))
    return made


def test_turns_of_a_busy_machine_are_not_taken_for_a_difference() -> None:
    """Of 12 runs on a machine whose turns differ, the interval over pairs misses zero in few; the naive one in many."""
    missed = naive = 0
    for seed in range(12):
        pairs = turns(seed + 1, 10)
        told = overhead_in_turns(pairs, Random(seed))
        missed += not told.low <= 0 <= told.high
        whole = overhead(
            [each for on, _ in pairs for each in on], [each for _, off in pairs for each in off], Random(seed)
        )
        naive += not whole.low <= 0 <= whole.high
    assert missed <= 3 < naive


def test_a_difference_shows_over_turns_too() -> None:
    """Fifty milliseconds more in each turn of one side: the interval holds them and not zero."""
    told = overhead_in_turns(turns(1, 10, extra=0.05), Random(3))
    assert 0 < told.low < 0.05 < told.high
    assert (told.samples_on, told.samples_off) == (400, 400)


def test_turns_with_too_few_durations_are_refused() -> None:
    """A hundred of each over all turns are needed; a turn without any is none of the matter."""
    with pytest.raises(ValueError, match="got 80 on and 200 off"):
        overhead_in_turns([(durations(1, 80), durations(2, 200))], Random(1))
    assert overhead_in_turns([(durations(1, 200), durations(2, 200)), ([], [])], Random(1)).samples_on == 200


def test_the_p95_is_of_the_nearest_rank() -> None:
    """Of 1 to 100 the 95th percentile is 95; of nothing there is none."""
    assert p95([float(number) for number in range(100, 0, -1)]) == 95
    assert p95([]) is None
