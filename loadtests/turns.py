"""The two arms of a load test take turns: who runs when, and which call belongs to whose turn. Decisions only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

LONGEST_SECONDS: Final = 3.0
FEWEST_PAIRS: Final = 4


class Arm(StrEnum):
    """The worker with the plugin, and the worker without."""

    ON = "on"
    OFF = "off"

    @property
    def queue(self) -> str:
        """The queue that only this arm's worker reads; the plugin's is the app's own, where redrives go."""
        return "celery" if self is Arm.ON else "plain"


@dataclass(frozen=True, slots=True)
class Turn:
    """One arm takes all calls for so many seconds; `block` is its name in the run."""

    block: str
    arm: Arm
    seconds: float


def take_turns(seconds: float, dice: Random) -> list[Turn]:
    """Divide a time into an even number of pairs of turns, both arms in each pair, in an order that the dice choose.

    Pairs hold what drifts (a warmer cache, a busier machine) against both arms alike.
    """
    pairs = max(FEWEST_PAIRS, 2 * round(seconds / LONGEST_SECONDS / 4))
    each = seconds / pairs / 2
    orders = [dice.sample(list(Arm), k=2) for _ in range(pairs)]
    arms = [arm for order in orders for arm in order]
    return [Turn(f"{number}-{arm}", arm, each) for number, arm in enumerate(arms, 1)]
