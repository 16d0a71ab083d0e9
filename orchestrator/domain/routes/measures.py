"""What was measured of targets, and the order that it gives them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import floor, sqrt
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.domain.routes.targets import RouteTarget

# Attempts that ended, from which on a target is ordered by what was measured.
ENOUGH: Final = 20
# Two shares of success of one band are no different; cost decides then.
BAND: Final = 0.05
# A target whose share of success is very likely below this goes behind those of which little is known.
GOOD: Final = 0.5
_Z: Final = 1.96


@dataclass(frozen=True, slots=True)
class Measured:
    """First attempts of tasks at one target that ended, how many of them went well, and their mean time in seconds."""

    succeeded: int = 0
    ended: int = 0
    seconds: float | None = None

    @property
    def at_least(self) -> float:
        """Give the lower bound of the share of success (Wilson's score interval, 95 %)."""
        return self._bounds()[0]

    @property
    def at_most(self) -> float:
        """Give the upper bound of the share of success."""
        return self._bounds()[1]

    def _bounds(self) -> tuple[float, float]:
        if not self.ended:
            return 0.0, 1.0
        share, square = self.succeeded / self.ended, _Z * _Z
        middle = share + square / (2 * self.ended)
        half = _Z * sqrt(share * (1 - share) / self.ended + square / (4 * self.ended**2))
        scale = 1 + square / self.ended
        return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


NOTHING: Final = Measured()


def ordered(targets: Sequence[RouteTarget], measured: Mapping[str, Measured]) -> list[RouteTarget]:
    """Order targets: by the lower bound of their share of success, then by cost, then by time, then as declared.

    One of which little is known keeps the place in which it was declared, and the measured ones share out the places
    that remain: it is tried where its owner put it, and ENOUGH attempts later it is judged. One that is very likely bad
    goes last, measured or not: two or three failures in a row do not do that, four do.
    """
    places = {each.name: place for place, each in enumerate(targets)}

    def rank(target: RouteTarget) -> tuple[float, Decimal, float, int]:
        known = measured.get(target.name, NOTHING)
        cost = target.usd_per_million_tokens
        seconds = known.seconds if known.seconds is not None else float("inf")
        return (
            -floor(known.at_least / BAND),
            cost if cost is not None else Decimal("Infinity"),
            seconds,
            places[target.name],
        )

    bad = [each for each in targets if measured.get(each.name, NOTHING).at_most < GOOD]
    others = [each for each in targets if each not in bad]
    judged = {each.name for each in others if measured.get(each.name, NOTHING).ended >= ENOUGH}
    best = iter(sorted((each for each in others if each.name in judged), key=rank))
    return [next(best) if each.name in judged else each for each in others] + sorted(bad, key=rank)
