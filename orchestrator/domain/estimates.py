"""Estimates: how many requests a second a recovery would add to what it leans on, and how long it would take.

By Little's law (1961) n redrives in flight that take s seconds each are n/s a second; the budget of the dependency
allows no more than its rate, beyond its burst. Before that stand a canary and the ramp: slow start doubles the window
in each round (RFC 5681), so that it takes log2(widest / first) rounds. It is what a recovery takes that nothing keeps
back.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.domain.dependencies import Policy

UNKNOWN: Final = (
    "not known: none of these tasks has been redriven lately, so nobody knows how long they run; a first batch with "
    "--limit tells"
)
# Tasks that must be done before their pace tells how long the others take.
ENOUGH: Final = 10
RESTS_ON: Final = "rests on {runs} redrives of these tasks, {run_seconds:.3g} s each, once nothing keeps them back"


@dataclass(frozen=True, slots=True)
class Lane:
    """What would go over one ramp: so many failures, `pace` of them in flight at most, each taking `run_seconds`.

    `runs` is how many redrives that is known from; None and 0: from none. `rate` is the budget's, in redrives a second;
    a `forced` one heeds neither budget nor settings.
    """

    dependency: str | None
    failures: int
    pace: int
    policy: Policy
    rate: float
    tokens: float
    run_seconds: float | None = None
    runs: int = 0
    forced: bool = False

    @property
    def limited(self) -> bool:
        """Tell whether the dependency's settings and its budget bound it."""
        return self.dependency is not None and not self.forced

    @property
    def in_flight(self) -> int:
        """Give how many are in flight at most."""
        most = min(self.pace, self.policy.max_in_flight) if self.limited else self.pace
        return max(1, min(most, self.failures))


@dataclass(frozen=True, slots=True)
class Load:
    """What one dependency would see: `per_second` is its most, where it is known; `says` what that rests on."""

    dependency: str | None
    per_second: float | None
    seconds: float | None
    says: str


def load_of(lane: Lane) -> Load:
    """Estimate one lane."""
    if lane.run_seconds is None:
        return Load(lane.dependency, lane.rate if lane.limited else None, None, UNKNOWN)
    run = max(lane.run_seconds, 0.001)
    free = lane.in_flight / run
    affordable = lane.failures <= lane.tokens or not lane.limited
    rate = free if affordable else min(free, max(lane.rate, 0.001))
    first = max(1.0, lane.policy.first_window)
    rounds = 1 + max(0.0, log2(lane.in_flight / first))
    beyond = lane.failures if affordable else max(0.0, lane.failures - lane.tokens)
    says = RESTS_ON.format(runs=lane.runs, run_seconds=run)
    return Load(lane.dependency, rate, rounds * run + beyond / rate, says)


def seconds_of(loads: Sequence[Load], *, scheduled: bool = False) -> tuple[float | None, str]:
    """Give how long all of them take together, for they go beside each other; and what that rests on, or why not."""
    if scheduled:
        return None, "it goes at the times of its schedule alone; how much goes at each depends on its window"
    if not loads:
        return None, "nothing would go"
    unknown = next((each for each in loads if each.seconds is None), None)
    if unknown:
        return None, unknown.says
    longest = max(loads, key=lambda each: each.seconds or 0.0)
    return longest.seconds, longest.says


def seconds_left(done: int, left: int, running_for: float) -> float | None:
    """Give how long a recovery still takes at the pace that it has had; None before enough of it is done."""
    return None if done < ENOUGH or running_for <= 0 else left * running_for / done
