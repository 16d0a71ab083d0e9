"""A slope that outliers do not move, with an interval that knows that neighbours are alike. Numbers only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import NormalDist, median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

FEWEST: Final = 12
MOST_ALIKE: Final = 0.99
_Z: Final = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Slope:
    """So much more for each unit of x; between `low` and `high` with 95 % confidence."""

    value: float
    low: float
    high: float


def slope_of(points: Sequence[tuple[float, float]]) -> Slope | None:
    """Give the Theil-Sen slope of points in order of x; None of fewer than twelve.

    The interval is Sen's (1968, "Estimates of the regression coefficient based on Kendall's tau"), with the variance
    of Kendall's S corrected for what neighbours have in common (Yue and Wang, 2004, "The Mann-Kendall test modified by
    effective sample size"): memory that wanders is not a trend.
    """
    count = len(points)
    if count < FEWEST:
        return None
    slopes = sorted((y - b) / (x - a) for (a, b), (x, y) in combinations(points, 2) if x > a)
    value = median(slopes)
    spread = _Z * math.sqrt(count * (count - 1) * (2 * count + 5) / 18 * _inflation(points, value))
    low = max(0, math.floor((len(slopes) - spread) / 2))
    return Slope(value, slopes[low], slopes[-1 - low])


def _inflation(points: Sequence[tuple[float, float]], slope: float) -> float:
    """Give how much wider the variance of S is because neighbours are alike; never less than 1.

    Their likeness is taken for that of a first-order autoregression. What is seen of it in few points whose trend was
    taken out is too little, by 2 + 4 r of their number (Marriott and Pope, 1954, "Bias in the estimation of
    autocorrelations", Biometrika 41), which is put back.
    """
    ranks = _ranks([y - slope * x for x, y in points])
    count = len(ranks)
    alike = min(MOST_ALIKE, max(0.0, (count * _autocorrelation(ranks) + 2) / (count - 4)))
    total = sum((count - lag) * (count - lag - 1) * (count - lag - 2) * alike**lag for lag in range(1, count - 2))
    return 1 + 2 * total / (count * (count - 1) * (count - 2))


def _autocorrelation(values: Sequence[float]) -> float:
    """Give the correlation of neighbours; 0 of values that are all alike."""
    middle = sum(values) / len(values)
    spread = sum((each - middle) ** 2 for each in values)
    return sum((a - middle) * (b - middle) for a, b in pairwise(values)) / spread if spread else 0.0


def _ranks(values: Sequence[float]) -> list[float]:
    """Give each value's rank, equal ones their mean rank."""
    ordered = sorted(values)
    first: dict[float, int] = {}
    last: dict[float, int] = {}
    for at, value in enumerate(ordered):
        first.setdefault(value, at)
        last[value] = at
    return [(first[each] + last[each]) / 2 for each in values]
