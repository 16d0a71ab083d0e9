"""The retry budget of a dependency: a token bucket that rules, operators and canaries draw on together."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.domain.dependencies import Dependency, Policy

LN2: Final = math.log(2)


def refilled(dependency: Dependency, policy: Policy, now: datetime) -> Dependency:
    """Let tokens flow in since the last time, up to the burst; one that was never drawn on is full."""
    if dependency.tokens is None or dependency.filled_at is None:
        return replace(dependency, tokens=policy.budget_burst, filled_at=now)
    seconds = max(0.0, (now - dependency.filled_at).total_seconds())
    tokens = min(policy.budget_burst, dependency.tokens + seconds * rate(dependency, policy))
    return replace(dependency, tokens=tokens, filled_at=max(now, dependency.filled_at))


def rate(dependency: Dependency, policy: Policy) -> float:
    """Give the tokens a second: the fixed part, and a share of the ordinary runs that go well in a second.

    An exponentially decayed count of n means n * ln 2 / half-life a second, where the rate is steady.
    """
    return policy.budget_rate + policy.budget_share * dependency.live * LN2 / policy.half_life


def affordable(dependency: Dependency) -> int:
    """Give how many redrives the budget allows now."""
    return max(0, int(dependency.tokens or 0.0))


def spent(dependency: Dependency, redrives: int) -> Dependency:
    """Draw on the budget; a redrive that a person forced may leave it in debt."""
    return replace(dependency, tokens=(dependency.tokens or 0.0) - redrives)
