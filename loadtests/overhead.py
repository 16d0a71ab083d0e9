"""What the plugin costs: the difference of two p95s, measured under the same load, with its confidence interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

QUANTILE: Final = 0.95
CONFIDENCE: Final = 0.95
RESAMPLES: Final = 10_000
RESAMPLES_OF_PAIRS: Final = 2_000
FEWEST: Final = 100


@dataclass(frozen=True, slots=True)
class Overhead:
    """Seconds at the 95th percentile with the plugin on and off, their difference, and its 95 % interval."""

    on: float
    off: float
    difference: float
    low: float
    high: float
    samples_on: int
    samples_off: int

    def __str__(self) -> str:
        """Tell it in one line, in milliseconds, with the sample sizes."""
        return (
            f"overhead p95 {_ms(self.difference)} (95 % between {_ms(self.low)} and {_ms(self.high)}): "
            f"on {_ms(self.on)} (n={self.samples_on}), off {_ms(self.off)} (n={self.samples_off})"
        )


@dataclass(frozen=True, slots=True)
class FirstRetries:
    """First-retry success: of all first attempts released, those that succeeded."""

    successes: int
    attempts: int

    def __str__(self) -> str:
        """Tell it with numerator and denominator; without attempts there is no share."""
        share = f"{self.successes / self.attempts:.1%}" if self.attempts else "no share"
        return f"first-retry success {share} ({self.successes} of {self.attempts})"


def overhead(on: Sequence[float], off: Sequence[float], dice: Random) -> Overhead:
    """Compare durations in seconds, taken in turn under one load; raises ValueError below 100 of either.

    The interval is the percentile bootstrap's (Efron and Tibshirani, 1993, chapter 13). It takes every duration for
    independent of the others: for durations that share a busy machine in turns, see `overhead_in_turns`.
    """
    with_it, without = sorted(on), sorted(off)
    _refuse_few(with_it, without)
    differences = [_resampled(with_it, dice) - _resampled(without, dice) for _ in range(RESAMPLES)]
    return _told(with_it, without, sorted(differences))


def overhead_in_turns(pairs: Sequence[tuple[Sequence[float], Sequence[float]]], dice: Random) -> Overhead:
    """Compare durations in seconds, taken in pairs of turns (on, off); raises ValueError below 100 of either.

    What the machine did during a turn is in all of the turn's durations, so the bootstrap draws whole pairs, not single
    durations: an interval of the latter claims to know more than it does.
    """
    with_it = sorted(each for on, _ in pairs for each in on)
    without = sorted(each for _, off in pairs for each in off)
    _refuse_few(with_it, without)
    differences = [_difference_of(dice.choices(pairs, k=len(pairs))) for _ in range(RESAMPLES_OF_PAIRS)]
    return _told(with_it, without, sorted(each for each in differences if each is not None))


def p95(durations: Sequence[float]) -> float | None:
    """Give the 95th percentile; None of nothing."""
    return sorted(durations)[_rank(len(durations)) - 1] if durations else None


def _difference_of(pairs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> float | None:
    on, off = p95([each for on, _ in pairs for each in on]), p95([each for _, off in pairs for each in off])
    return None if on is None or off is None else on - off


def _refuse_few(on: Sequence[float], off: Sequence[float]) -> None:
    if min(len(on), len(off)) < FEWEST:
        raise ValueError(
            f"expected at least {FEWEST} durations of each, got {len(on)} on and {len(off)} off; run longer"
        )


def _told(on: Sequence[float], off: Sequence[float], differences: Sequence[float]) -> Overhead:
    tail = (1 - CONFIDENCE) / 2
    p95_on, p95_off = on[_rank(len(on)) - 1], off[_rank(len(off)) - 1]
    return Overhead(
        on=p95_on,
        off=p95_off,
        difference=p95_on - p95_off,
        low=differences[int(tail * len(differences))],
        high=differences[int((1 - tail) * len(differences)) - 1],
        samples_on=len(on),
        samples_off=len(off),
    )


def _rank(size: int) -> int:
    return math.ceil(QUANTILE * size)


def _resampled(ordered: Sequence[float], dice: Random) -> float:
    # The k-th smallest of n draws with replacement is the value at n times Beta(k, n - k + 1): no resample is sorted.
    size, rank = len(ordered), _rank(len(ordered))
    return ordered[min(int(size * dice.betavariate(rank, size - rank + 1)), size - 1)]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"
