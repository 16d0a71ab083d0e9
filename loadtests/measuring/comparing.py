"""Two arms compared in blocks: the quantiles of both, their difference, and how sure it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from loadtests.measuring.bootstrap import FEWEST_CLUSTERS, RESAMPLES, bounds, drawn
from loadtests.measuring.clusters import Clusters

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
# A quantile rests on what lies beyond it: with fewer than this it is one call's luck.
FEWEST_BEYOND: Final = 5
# This share of the calls may not have succeeded at once; beyond that the ones that did are a choice among them.
MOST_MISSING: Final = 0.01
_MS: Final = 1000


class What(NamedTuple):
    """What is compared: an arm, over a span, with the bus in one state."""

    bus: str
    arm: str
    span: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Blocks that follow each other: the durations of either arm, in seconds, and how many calls have none."""

    on: Sequence[float]
    off: Sequence[float]
    missing_on: int = 0
    missing_off: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """One quantile with the plugin and without, the first minus the second, and its 95 % interval: milliseconds.

    Where it could not be measured all five are None, and `why_not` says why.
    """

    on: float | None = None
    off: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    why_not: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One arm beside the arm without the plugin, over one span, with the bus in one state; `blocks` are pairs.

    `missing_on` and `missing_off` are calls that did not succeed at once.
    """

    bus: str
    arm: str
    span: str
    p50: Difference
    p95: Difference
    p99: Difference
    samples_on: int
    samples_off: int
    blocks: int
    missing_on: int = 0
    missing_off: int = 0

    def at(self, quantile: str) -> Difference:
        """Give the difference at 'p50', 'p95' or 'p99'."""
        return {"p50": self.p50, "p95": self.p95, "p99": self.p99}[quantile]


def compare(what: What, pairs: Sequence[Pair], dice: Random, resamples: int = RESAMPLES) -> Comparison:
    """Compare the arms over pairs of blocks.

    What the machine did during a block is in all of its durations, and what it did around a pair in both, so the
    bootstrap draws whole pairs: an interval over single durations claims to know more than it does.
    A call with the plugin that did not succeed at once counts as slower than all others; one without is left out.
    Both can only make the plugin look worse than it is.
    """
    p50, p95, p99 = _differences(pairs, dice, resamples)
    return Comparison(
        *what,
        p50,
        p95,
        p99,
        samples_on=sum(len(each.on) for each in pairs),
        samples_off=sum(len(each.off) for each in pairs),
        blocks=len(pairs),
        missing_on=sum(each.missing_on for each in pairs),
        missing_off=sum(each.missing_off for each in pairs),
    )


def _differences(pairs: Sequence[Pair], dice: Random, resamples: int) -> list[Difference]:
    """Give the difference at each quantile, all of them from the same draws."""
    lacking = {name: _lacking(pairs, share) for name, share in QUANTILES.items()}
    if all(lacking.values()):
        return [Difference(why_not=why) for why in lacking.values()]
    on = Clusters([[*each.on, *[math.inf] * each.missing_on] for each in pairs])
    off = Clusters([each.off for each in pairs])
    draws = list(drawn(len(pairs), resamples, dice))
    return [
        Difference(why_not=why) if (why := lacking[name]) else _difference(on, off, share, draws)
        for name, share in QUANTILES.items()
    ]


def _difference(on: Clusters, off: Clusters, share: float, draws: Sequence[Sequence[int]]) -> Difference:
    each = [1] * len(draws[0])
    with_it, without = on.quantile(share, each), off.quantile(share, each)
    found = bounds([_less(on.quantile(share, draw), off.quantile(share, draw)) for draw in draws], len(each))
    if with_it is None or without is None or found is None:
        return Difference(why_not="expected calls of both arms in most pairs of blocks, got pairs without; run longer")
    if not math.isfinite(found.high + with_it):
        return Difference(why_not="expected the slowest calls to be counted, got too many that never succeeded")
    return Difference(
        with_it * _MS, without * _MS, (with_it - without) * _MS, low=found.low * _MS, high=found.high * _MS
    )


def _less(on: float | None, off: float | None) -> float | None:
    return None if on is None or off is None else on - off


def _lacking(pairs: Sequence[Pair], share: float) -> str | None:
    """Say what keeps this quantile of these pairs from being told; None where nothing does."""
    fewest = math.ceil(FEWEST_BEYOND / (1 - share) - 1e-9)
    counts = {"on": [sum(len(each.on) for each in pairs), sum(each.missing_on for each in pairs)]}
    counts["off"] = [sum(len(each.off) for each in pairs), sum(each.missing_off for each in pairs)]
    if len(pairs) < FEWEST_CLUSTERS:
        return f"expected at least {FEWEST_CLUSTERS} pairs of blocks, got {len(pairs)}; run longer or in shorter blocks"
    for arm, (samples, missing) in counts.items():
        if samples < fewest:
            return f"expected at least {fewest} calls {arm}, got {samples}; run longer"
        if missing > MOST_MISSING * (samples + missing):
            return f"expected calls {arm} to succeed at once, got {missing} of {samples + missing} that did not"
    return None
