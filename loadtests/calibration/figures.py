"""Predicted against seen: bins, and Brier's score (1950), the mean squared difference of a probability and what came.

Beside it stands the score of the base rate: whoever had told everybody the share that succeeded in the end. It is told
with hindsight, which no prediction has.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

EDGES: Final = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.0)


@dataclass(frozen=True, slots=True)
class Case:
    """One failure's first retry: what was predicted before it went (None: not enough evidence), how it went (None: it
    never did), and of which sort it was.
    """

    predicted: float | None
    succeeded: bool | None
    sort: str

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Case:
        """Read what the simulation printed."""
        return cls(told["predicted"], told["succeeded"], told["sort"])


@dataclass(frozen=True, slots=True)
class Bin:
    """Cases whose prediction lies from `low` to below `high`: their mean prediction, and the share that succeeded."""

    low: float
    high: float
    count: int
    predicted: float
    seen: float


@dataclass(frozen=True, slots=True)
class Score:
    """`count` cases that were predicted and went; None where there are none."""

    count: int
    brier: float | None
    base_rate: float | None
    base_rate_brier: float | None

    @property
    def better(self) -> bool:
        """Tell whether the predictions say more than the base rate does."""
        return self.brier is not None and self.base_rate_brier is not None and self.brier < self.base_rate_brier


@dataclass(frozen=True, slots=True)
class Calibration:
    """The whole: `not_enough` went without a number, `never_went` had one and was not released in time."""

    cases: int
    not_enough: int
    never_went: int
    score: Score
    bins: tuple[Bin, ...]
    sorts: Mapping[str, Score]


def calibration_of(cases: Sequence[Case]) -> Calibration:
    """Sum cases up."""
    went = [each for each in cases if each.succeeded is not None]
    scored = [each for each in went if each.predicted is not None]
    sorts = {name: score_of(each for each in scored if each.sort == name) for name in sorted({c.sort for c in scored})}
    return Calibration(
        cases=len(cases),
        not_enough=sum(each.predicted is None for each in went),
        never_went=len(cases) - len(went),
        score=score_of(scored),
        bins=bins_of(scored),
        sorts=sorts,
    )


def score_of(cases: Iterable[Case]) -> Score:
    """Give Brier's score of cases, and that of their own base rate."""
    pairs = [
        (each.predicted, float(each.succeeded))
        for each in cases
        if each.predicted is not None and each.succeeded is not None
    ]
    if not pairs:
        return Score(0, None, None, None)
    share = sum(came for _, came in pairs) / len(pairs)
    brier = sum((told - came) ** 2 for told, came in pairs) / len(pairs)
    return Score(len(pairs), round(brier, 4), round(share, 4), round(share * (1 - share), 4))


def bins_of(cases: Sequence[Case]) -> tuple[Bin, ...]:
    """Put cases into bins by what was predicted; empty ones are left out, and the last holds a whole one."""
    found = []
    for low, high in pairwise(EDGES):
        inside = [each for each in cases if each.predicted is not None and _in(each.predicted, low, high)]
        if inside:
            predicted = sum(each.predicted or 0.0 for each in inside) / len(inside)
            seen = sum(bool(each.succeeded) for each in inside) / len(inside)
            found.append(Bin(low, high, len(inside), round(predicted, 4), round(seen, 4)))
    return tuple(found)


def _in(predicted: float, low: float, high: float) -> bool:
    return low <= predicted < high or predicted == high == EDGES[-1]
