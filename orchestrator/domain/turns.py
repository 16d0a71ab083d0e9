"""How many triggers of one dependency may go to StackStorm: a cap that many signatures in a short time run into."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Turn:
    """Whether a trigger may go now, or after `wait`; one that `leads` stands for all others like it that wait."""

    wait: timedelta
    leads: bool


def turn(sent: Sequence[datetime], now: datetime, per_minute: int) -> Turn:
    """Give the turn of a trigger, by when others of its dependency went within the last minute, oldest first.

    Half of what a minute allows may go at once, each on its own; the rest evenly after it, each for all that wait.
    """
    at_once = max(1, per_minute // 2)
    if len(sent) < at_once:
        return Turn(timedelta(0), leads=len(sent) == at_once - 1)
    if len(sent) >= per_minute:
        return Turn(sent[len(sent) - per_minute] + MINUTE - now, leads=True)
    distance = MINUTE / (per_minute - at_once)
    return Turn(max(timedelta(0), sent[-1] + distance - now), leads=True)
