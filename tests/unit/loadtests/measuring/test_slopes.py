"""The slope's interval holds the truth as often as it says, also where neighbours are alike."""

from __future__ import annotations

from random import Random

import pytest

from loadtests.measuring.slopes import slope_of


def series(dice: Random, count: int, slope: float, alike: float) -> list[tuple[float, float]]:
    """Make a line with the noise of a first-order autoregression around it."""
    noise, made = 0.0, []
    for at in range(count):
        noise = alike * noise + dice.gauss(0, 1)
        made.append((at / count, slope * at / count + noise))
    return made


@pytest.mark.parametrize("alike", [0.0, 0.5, 0.8])
def test_the_interval_holds_the_truth_as_often_as_it_says(alike: float) -> None:
    """Of 150 series with a slope of 3, an interval of 95 % misses it in few: 15 or more has a chance below 0.01."""
    misses = 0
    for seed in range(150):
        found = slope_of(series(Random(seed), 96, 3.0, alike))
        assert found is not None
        misses += not found.low <= 3.0 <= found.high
    assert misses < 15


def test_a_leak_is_told_from_none() -> None:
    """A rise that is large beside the noise has an interval without zero; none has one with it."""
    leak, flat = slope_of(series(Random(1), 96, 20.0, 0.5)), slope_of(series(Random(1), 96, 0.0, 0.5))
    assert leak is not None
    assert flat is not None
    assert leak.low > 0
    assert flat.low < 0 < flat.high


def test_an_outlier_does_not_move_it() -> None:
    """One sample a thousand times as high is one sample."""
    points = [(float(at), 2.0 * at) for at in range(40)]
    points[20] = (20.0, 40_000.0)
    found = slope_of(points)
    assert found is not None
    assert found.value == pytest.approx(2.0)


def test_what_does_not_change_is_flat_and_few_points_have_no_slope() -> None:
    """A constant has slope 0 for certain; eleven points are too few."""
    found = slope_of([(float(at), 5.0) for at in range(40)])
    assert found is not None
    assert (found.low, found.value, found.high) == (0, 0, 0)
    assert slope_of([(float(at), 1.0) for at in range(11)]) is None
