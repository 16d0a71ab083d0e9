"""Which rate is tried next, and where the knee is, from the steps that were played. Decisions only."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtests.scenarios.scenario import Search

# So often the knee has to hold before it is one: a rate that holds once may have been lucky.
TIMES: Final = 2
# Down from the first rate by the factor at most so often; what holds then is no load.
MOST_DOWN: Final = 5
_SAME: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Tried:
    """A rate, in arrivals a second, that was played for a step, and whether all gates held."""

    rate: float
    held: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """The highest rate that always held below any that missed, how often it held, and the lowest that missed."""

    held: float | None
    times: int
    missed: float | None


def bounds_of(tried: Sequence[Tried]) -> Bounds:
    """Give what is known. A rate that missed once is one that misses: the knee has no luck in it."""
    missed = min((each.rate for each in tried if not each.held), default=None)
    good = [each.rate for each in tried if each.held and (missed is None or each.rate < missed)]
    held = max(good, default=None)
    return Bounds(held, good.count(held) if held is not None else 0, missed)


def next_rate(search: Search, tried: Sequence[Tried]) -> float | None:
    """Give the rate of the next step, None where the search is over.

    Upwards by the factor until a rate misses, then halving the way between (as a ratio) so often as the search says,
    then what held best once more; if that misses now, it goes on below.
    """
    known = bounds_of(tried)
    if known.held is None:
        return _downwards(search, known.missed)
    if known.missed is None and known.held < search.most_rate * (1 - _SAME):
        return min(known.held * search.factor, search.most_rate)
    if known.missed is not None and known.missed / known.held > finest(search) * (1 + _SAME):
        return sqrt(known.held * known.missed)
    return known.held if known.times < TIMES else None


def finest(search: Search) -> float:
    """Give the ratio of two rates that are near enough: that of the factor after all halvings."""
    return float(search.factor ** (0.5**search.halvings))


def _downwards(search: Search, missed: float | None) -> float | None:
    if missed is None:
        return search.first_rate
    below = missed / search.factor
    return below if below > search.first_rate / search.factor ** (MOST_DOWN + 1) * (1 + _SAME) else None
