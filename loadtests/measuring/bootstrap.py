"""The 95 % interval of a statistic whose observations come in clusters: the bootstrap draws whole clusters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from random import Random

CONFIDENCE: Final = 0.95
RESAMPLES: Final = 2_000
# Below this many clusters their spread is hardly known, and an interval would claim what it does not know.
FEWEST_CLUSTERS: Final = 4
_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class Interval:
    """What lies between `low` and `high` with 95 % confidence; the unit is the statistic's."""

    low: float
    high: float


def drawn(clusters: int, times: int, dice: Random) -> Iterator[list[int]]:
    """Draw that many clusters with replacement, `times` times: how often each of them came."""
    for _ in range(times):
        weights = [0] * clusters
        for which in dice.choices(range(clusters), k=clusters):
            weights[which] += 1
        yield weights


def interval(
    statistic: Callable[[Sequence[int]], float | None], clusters: int, dice: Random, resamples: int = RESAMPLES
) -> Interval | None:
    """Give the interval of a statistic of weighted clusters; None where it cannot be told, see `bounds`."""
    if clusters < FEWEST_CLUSTERS:
        return None
    return bounds([statistic(weights) for weights in drawn(clusters, resamples, dice)], clusters)


def bounds(found: Sequence[float | None], clusters: int) -> Interval | None:
    """Give the interval of what a statistic was in each draw; None of fewer than four clusters, or of many empty draws.

    It is the bootstrap's expanded percentile interval (Hesterberg, 2015, "What Teachers Should Know About the
    Bootstrap", The American Statistician 69:4): the plain one is too narrow where clusters are few.
    """
    ordered = sorted(value for value in found if value is not None)
    if clusters < FEWEST_CLUSTERS or len(ordered) <= len(found) // 2:
        return None
    tail = tail_of(clusters)
    low = min(int(tail * len(ordered)), len(ordered) - 1)
    return Interval(ordered[low], ordered[-1 - low])


def tail_of(clusters: int) -> float:
    """Give the share of the draws that lies beyond each end: 2.5 % of many clusters, less of few."""
    return _NORMAL.cdf(-math.sqrt(clusters / (clusters - 1)) * student(clusters - 1))


def student(freedom: int) -> float:
    """Give the 97.5 % quantile of Student's t (Abramowitz and Stegun, 26.7.5): within 1 % from 3 degrees on."""
    z = _NORMAL.inv_cdf((1 + CONFIDENCE) / 2)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
