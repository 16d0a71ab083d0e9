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
    def pooled(cls, count: int, of: int) -> Share:
        """Make it of counts that are not independent, and say nothing of how sure it is."""
        return cls(count, of, count / of if of else None, None, None)

    @classmethod
    def counted(cls, count: int, of: int) -> Share:
        """Make it of both numbers."""
        return cls(count, of, count / of, *wilson(count, of)) if of else cls(count, of, None, None, None)


@dataclass(frozen=True, slots=True)
class Alarms:
    """What was found. `spreads`: figure -> standard deviation of its logarithm over the runs, control or not.

    `each`: runs told slower when each is held against all others. `nights`: the same over every night of the
    permutations that has enough nights before it. `found`: runs of a build that is slower on purpose, held against ten
    others at a time; `found_runs`: those of them that are found in most draws; `as_if`: runs of equal code with every
    tested figure made larger by a fifth. Nights and draws are of the same few runs, no independent ones: `nights`,
    `found` and `as_if` have no interval. What had nothing that could be tested counts nowhere; `untested` is how many
    of the equal runs that were, each held against all others.
    """

    runs: int
    untested: int
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
        judged_by = self.found_runs if self.found_runs.of else self.as_if
        return judged_by.share is None or judged_by.share < FOUND


def alarms(
    equal: Sequence[Reading], slowed: Sequence[Reading], orders: int, dice: Random, rule: Rule | None = None
) -> Alarms:
    """Hold runs of equal code against each other in so many random orders, and slowed ones against them."""
    rule = rule or Rule()
    nights, by_figure = _nights(equal, orders, dice, rule)
    found = [made for each in slowed if (made := _found(each, equal, orders, dice, rule)).of]
    each = _each(equal, rule)
    as_if = [_found(_slower(each), [x for x in equal if x is not each], orders, dice, rule) for each in equal]
    return Alarms(
        runs=len(equal),
        untested=len(equal) - each.of,
        each=each,
        nights=nights,
        by_figure=by_figure,
        found=_sum(found),
        found_runs=Share.counted(sum(share.count * 2 > share.of for share in found), len(found)),
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
    tested = [each for each in told if each is not None]
    return Share.counted(sum(map(bool, tested)), len(tested))


def _nights(equal: Sequence[Reading], orders: int, dice: Random, rule: Rule) -> tuple[Share, dict[str, int]]:
    """Play the nights in random orders, each judged by those before it."""
    count, of, figures = 0, 0, Counter[str]()
    for _ in range(orders):
        order = dice.sample(equal, len(equal))
        for place in range(rule.fewest, len(order)):
            told = _slower_figures(order[place], order[:place], rule)
            count, of = count + bool(told), of + (told is not None)
            figures.update(told or ())
    return Share.pooled(count, of), dict(figures)


def _found(run: Reading, equal: Sequence[Reading], orders: int, dice: Random, rule: Rule) -> Share:
    """Hold one run against ten others, so many times others; where there are not more, against all of them, once."""
    times = orders if len(equal) > EARLIER else 1
    draws = (dice.sample(equal, min(EARLIER, len(equal))) for _ in range(times))
    tested = [told for drawn in draws if (told := _slower_figures(run, drawn, rule)) is not None]
    return Share.pooled(sum(map(bool, tested)), len(tested))


def _slower_figures(run: Reading, earlier: Sequence[Reading], rule: Rule) -> list[str] | None:
    """Name what is told slower; None where nothing could be tested, which is not 'not slower'."""
    tests = judged(run, earlier, rule)
    return [each.figure for each in tests if each.slower] if tests else None


def _slower(run: Reading) -> Reading:
    return replace(run, values={name: value * SLOWER for name, value in run.values.items()})


def _sum(shares: Sequence[Share]) -> Share:
    return Share.pooled(sum(each.count for each in shares), sum(each.of for each in shares))
