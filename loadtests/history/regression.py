"""The regression test: a figure that is worse than the runs before foretell, by more than chance and enough to matter.

For each figure the logarithm y of its value is held against the logarithm c of the control that was measured in the
same run. Over the earlier runs y = a + b c is fitted by least squares, b kept between 0 (the control tells nothing) and
1 (the figure goes with it in proportion). The new run's y is compared with what that line foretells:

    t = (y - a - b c) / (s sqrt(1 + 1/n + (c - mean c)^2 / sum of squares of c)),   s^2 = residual squares / (n - 2)

Under equal code t has Student's distribution with n - 2 degrees of freedom (a prediction interval; Draper and Smith,
Applied Regression Analysis, 1.4). One-sided p values of all figures are corrected by Holm, so that `alpha` is the
chance that a run of equal code is told slower in anything. And the ratio to what was foretold has to reach
1 + `least_effect`: a difference that is real and tiny wakes nobody.

Beside the figures, and corrected with them, their geometric mean is tested, `TOGETHER`: a build that is slower in all
of them shows there first, since what they swing by chance cancels out in part.

A figure that the earlier runs measured bluntly is left out, and takes no chance from the others: one whose own
interval, in the middle one of those runs, is wider than `bluntest` of its value. The new run has no say in that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Final

from loadtests.history.reading import CONTROL, TESTED
from loadtests.history.student import above, quantile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadtests.history.reading import Reading

# A spread smaller than this is luck, or a figure that was rounded: half a per cent.
LEAST_SPREAD: Final = 0.005
TOGETHER: Final = "all_together"


@dataclass(frozen=True, slots=True)
class Rule:
    """What is held for slower; `last` runs are looked back at, and fewer than `fewest` tell nothing."""

    alpha: float = 0.05
    least_effect: float = 0.10
    last: int = 20
    fewest: int = 6
    bluntest: float = 0.5

    def __str__(self) -> str:
        """Say it in one line."""
        return (
            f"slower: at least {self.least_effect:.0%} above what the last {self.fewest} to {self.last} comparable "
            f"runs and this run's control foretell, at a chance of {self.alpha:.0%} a run (Holm over the figures)"
        )


@dataclass(frozen=True, slots=True)
class Tested:
    """One figure of a run beside what was foretold: `expected` in its unit, `ratio` of the two, `low` and `high` the
    95 % prediction interval of that ratio for equal code; `p` is corrected for the number of figures.
    """

    figure: str
    value: float
    expected: float
    ratio: float
    low: float
    high: float
    p: float
    slower: bool
    runs: int


def judged(new: Reading, earlier: Sequence[Reading], rule: Rule | None = None) -> list[Tested]:
    """Test each figure that the run and enough of the earlier ones have; `earlier` are comparable, oldest first.

    Nothing to compare with gives no tests: the caller says so.
    """
    rule = rule or Rule()
    left_out = blunt(earlier, rule)
    names = [name for name in TESTED if name not in left_out]
    foretold = {name: made for name in names if (made := _foretold((name,), new, earlier, rule)) is not None}
    if len(foretold) > 1 and (made := _foretold(tuple(foretold), new, earlier, rule)) is not None:
        foretold[TOGETHER] = made
    corrected = holm({name: above(each.t, each.df) for name, each in foretold.items()})
    return [_tested(name, each, corrected[name], rule) for name, each in foretold.items()]


def blunt(earlier: Sequence[Reading], rule: Rule | None = None) -> dict[str, float]:
    """Name the figures that the earlier runs measured too bluntly to be tested, each with its width by its value."""
    rule = rule or Rule()
    shares = {name: _bluntness(name, earlier[-rule.last :]) for name in TESTED}
    return {name: share for name, share in shares.items() if share > rule.bluntest}


def _bluntness(name: str, earlier: Sequence[Reading]) -> float:
    widths = [each.widths[name] for each in earlier if name in each.widths]
    values = [each.values[name] for each in earlier if name in each.values]
    return median(widths) / median(values) if widths and values else 0.0


def holm(chances: Mapping[str, float]) -> dict[str, float]:
    """Correct p values for their number (Holm 1979): each times those not smaller, and never below a smaller one."""
    corrected, greatest = {}, 0.0
    for place, (name, chance) in enumerate(sorted(chances.items(), key=lambda each: each[1])):
        greatest = max(greatest, min(1.0, (len(chances) - place) * chance))
        corrected[name] = greatest
    return corrected


@dataclass(frozen=True, slots=True)
class _Foretold:
    """The line's value for the new run, how far the run is above it, and one standard error of that; logarithms."""

    line: float
    above: float
    error: float
    df: int
    runs: int

    @property
    def t(self) -> float:
        return self.above / self.error


def _foretold(names: Sequence[str], new: Reading, earlier: Sequence[Reading], rule: Rule) -> _Foretold | None:
    """Foretell the geometric mean of these figures; None where the run, or too many of the earlier ones, lack one."""
    point = _point(names, new)
    points = [made for each in earlier if (made := _point(names, each)) is not None][-rule.last :]
    return None if point is None or len(points) < rule.fewest else _on_a_line(points, *point)


def _point(names: Sequence[str], run: Reading) -> tuple[float, float] | None:
    if CONTROL not in run.control or not all(name in run.values for name in names):
        return None
    return math.log(run.control[CONTROL]), fmean(math.log(run.values[name]) for name in names)


def _on_a_line(points: Sequence[tuple[float, float]], control: float, value: float) -> _Foretold:
    middle, level = fmean(c for c, _ in points), fmean(y for _, y in points)
    squares = sum((c - middle) ** 2 for c, _ in points)
    together = sum((c - middle) * (y - level) for c, y in points)
    slope = min(1.0, max(0.0, together / squares)) if squares > 0 else 0.0
    left = sum((y - level - slope * (c - middle)) ** 2 for c, y in points)
    spread = max(LEAST_SPREAD, math.sqrt(left / (len(points) - 2)))
    away = (control - middle) ** 2 / squares if squares > 0 else 0.0
    line = level + slope * (control - middle)
    # With the slope between 0 and 1, what the line is off so far from its middle is at most that distance.
    doubt = min(spread**2 * away, (control - middle) ** 2)
    error = math.sqrt(spread**2 * (1 + 1 / len(points)) + doubt)
    return _Foretold(line, value - line, error, len(points) - 2, len(points))


def _tested(name: str, made: _Foretold, p: float, rule: Rule) -> Tested:
    reach = quantile(0.025, made.df) * made.error
    ratio = math.exp(made.above)
    # A mean of several units has no value of its own.
    expected = 1.0 if name == TOGETHER else math.exp(made.line)
    return Tested(
        figure=name,
        value=expected * ratio,
        expected=expected,
        ratio=ratio,
        low=math.exp(-reach),
        high=math.exp(reach),
        p=p,
        slower=p <= rule.alpha and ratio >= 1 + rule.least_effect,
        runs=made.runs,
    )
