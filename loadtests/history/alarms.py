"""How the regression test does on runs that were kept: alarms over equal code, and slower builds that are found.

Runs of equal code may come in any order, so that permutations of the same nights are as good as the nights themselves.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from statistics import stdev
from typing import TYPE_CHECKING, Final

from loadtests.first_retry.figures import wilson
from loadtests.history.reading import TESTED
from loadtests.history.regression import Rule, judged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

    from loadtests.history.reading import Reading

SLOWER: Final = 1.2  # the build that has to be found
FOUND: Final = 0.8  # the share of such builds that has to be found
EARLIER: Final = 10  # runs that there are before it
FEWEST_RUNS: Final = EARLIER


@dataclass(frozen=True, slots=True)
class Share:
    """A count of so many, with the share's Wilson interval, 95 %; None where there is nothing to count."""

    count: int
    of: int
    share: float | None
    low: float | None
    high: float | None

    @classmethod
    def counted(cls, count: int, of: int) -> Share:
        """Make it of both numbers."""
        return cls(count, of, count / of, *wilson(count, of)) if of else cls(count, of, None, None, None)


@dataclass(frozen=True, slots=True)
class Alarms:
    """What was found. `spreads`: figure -> standard deviation of its logarithm over the runs, control or not.

    `each`: runs told slower when each is held against all others. `nights`: the same over every night of the
    permutations that has enough nights before it; nights of few runs are no independent ones, and this interval is as
    narrow as their number makes it. `found`: runs of a build that is slower on purpose, held against ten others at a
    time; `as_if`: runs of equal code with every tested figure made larger by a fifth.
    """

    runs: int
    each: Share
    nights: Share
    by_figure: Mapping[str, int]
    found: Share
    found_runs: Share
    as_if: Share
    spreads: Mapping[str, float]
    rule: Rule

    @property
    def too_loud(self) -> bool:
        """Tell whether there are more alarms than the rule says, beyond what chance explains."""
        return self.each.low is not None and self.each.low > self.rule.alpha

    @property
    def too_deaf(self) -> bool:
        """Tell whether too few slower builds are found: of those that were played, else of those that were made up."""
        judged_by = self.found if self.found.of else self.as_if
        return judged_by.share is None or judged_by.share < FOUND


def alarms(
    equal: Sequence[Reading], slowed: Sequence[Reading], orders: int, dice: Random, rule: Rule | None = None
) -> Alarms:
    """Hold runs of equal code against each other in so many random orders, and slowed ones against them."""
    rule = rule or Rule()
    nights, by_figure = _nights(equal, orders, dice, rule)
    found = [_found(each, equal, orders, dice, rule) for each in slowed]
    as_if = [_found(_slower(each), [x for x in equal if x is not each], orders, dice, rule) for each in equal]
    return Alarms(
        runs=len(equal),
        each=_each(equal, rule),
        nights=nights,
        by_figure=by_figure,
        found=_sum(found),
        found_runs=Share.counted(sum(each.count * 2 > each.of for each in found), len(found)),
        as_if=_sum(as_if),
        spreads=spreads(equal),
        rule=rule,
    )


def spreads(runs: Sequence[Reading]) -> dict[str, float]:
    """Give by how much each figure swings over the runs: the standard deviation of its logarithm."""
    values = {name: [math.log(each.values[name]) for each in runs if name in each.values] for name in TESTED}
    return {name: stdev(found) for name, found in values.items() if len(found) > 1}


def _each(equal: Sequence[Reading], rule: Rule) -> Share:
    told = [_slower_figures(each, [x for x in equal if x is not each], rule) for each in equal]
    return Share.counted(sum(map(bool, told)), len(told))


def _nights(equal: Sequence[Reading], orders: int, dice: Random, rule: Rule) -> tuple[Share, dict[str, int]]:
    """Play the nights in random orders, each judged by those before it."""
    count, of, figures = 0, 0, Counter[str]()
    for _ in range(orders):
        order = dice.sample(equal, len(equal))
        for place in range(rule.fewest, len(order)):
            told = _slower_figures(order[place], order[:place], rule)
            count, of = count + bool(told), of + 1
            figures.update(told)
    return Share.counted(count, of), dict(figures)


def _found(run: Reading, equal: Sequence[Reading], orders: int, dice: Random, rule: Rule) -> Share:
    """Hold one run against ten others, so many times others; where there are not more, against all of them, once."""
    times = orders if len(equal) > EARLIER else 1
    draws = (dice.sample(equal, min(EARLIER, len(equal))) for _ in range(times))
    return Share.counted(sum(bool(_slower_figures(run, drawn, rule)) for drawn in draws), times)


def _slower_figures(run: Reading, earlier: Sequence[Reading], rule: Rule) -> list[str]:
    return [each.figure for each in judged(run, earlier, rule) if each.slower]


def _slower(run: Reading) -> Reading:
    return replace(run, values={name: value * SLOWER for name, value in run.values.items()})


def _sum(shares: Sequence[Share]) -> Share:
    return Share.counted(sum(each.count for each in shares), sum(each.of for each in shares))
