"""Health: what runs, redrives and probes tell of a dependency, as a count that decays, and what it amounts to."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from orchestrator.domain.dependencies import Dependency, Health

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.domain.dependencies import Policy

# Evidence of less than half a run is none.
FADED: Final = 0.5
# So many times the least volume leave no doubt: one run in five would fail, and two of fifty do.
SURE: Final = 10
# A rate of nearly all is all: what was on its way when it went down had been answered.
WHOLE: Final = 0.99


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a dependency at a time: `live` runs are ordinary ones, others redrives and probes.

    `refused`: at least one failure said that nobody answers at all. `retry_at` is when it asks to be asked again.
    Successes that were counted over a `window` of seconds are in a row only where nothing failed in it.
    """

    at: datetime
    succeeded: int = 0
    failed: int = 0
    live: bool = False
    refused: bool = False
    retry_at: datetime | None = None
    window: float = 0.0


def aged(dependency: Dependency, now: datetime, policy: Policy) -> Dependency:
    """Let evidence lose its weight: half of it in each half-life (exponential decay)."""
    if dependency.seen_at is None or now <= dependency.seen_at:
        return dependency if dependency.seen_at else replace(dependency, seen_at=now)
    factor = 0.5 ** ((now - dependency.seen_at).total_seconds() / policy.half_life)
    return replace(
        dependency,
        successes=dependency.successes * factor,
        failures=dependency.failures * factor,
        live=dependency.live * factor,
        seen_at=now,
    )


def seen(dependency: Dependency, what: Seen, policy: Policy) -> Dependency:
    """Add what was seen, and judge anew."""
    told = aged(dependency, what.at, policy)
    counted = replace(
        told,
        successes=told.successes + what.succeeded,
        failures=told.failures + what.failed,
        live=told.live + (what.succeeded if what.live else 0),
        live_at=what.at if what.live else told.live_at,
        failed=told.failed + what.failed,
        passed=told.passed + what.succeeded,
        failed_at=what.at if what.failed else told.failed_at,
        passes=_passes(told, what),
        not_before=_later(told.not_before, what.retry_at),
    )
    return judged(counted, what.at, policy, refused=what.refused)


def _passes(told: Dependency, what: Seen) -> int:
    if what.failed:
        return 0
    between = told.failed_at is not None and what.window and told.failed_at > what.at - timedelta(seconds=what.window)
    return 0 if between else told.passes + what.succeeded


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return max(one, other)


def judged(
    dependency: Dependency, now: datetime, policy: Policy, *, refused: bool = False, held: bool = True
) -> Dependency:
    """Give the health that the evidence amounts to; `held`: redrives wait for this dependency."""
    health, why = _judge(dependency, policy, refused=refused, held=held)
    if health is dependency.health:
        return _forgotten(dependency, policy)
    changed = replace(dependency, health=health, why=why, since=now)
    if health is Health.HEALTHY:
        return replace(changed, failed=0, passed=0, passes=0)
    return changed


def _forgotten(dependency: Dependency, policy: Policy) -> Dependency:
    """Begin the counts of a healthy dependency anew after a long good run: it is of no outage."""
    if dependency.health is not Health.HEALTHY or dependency.passes < _luckless(policy.suspect_rate, policy):
        return dependency
    return replace(dependency, failed=0, passed=0, passes=0)


def _luckless(share: float, policy: Policy) -> int:
    """Give how many passes in a row come by luck in at most `risk` of all cases, where a share of runs fails."""
    return math.ceil(math.log(policy.risk) / math.log(1 - share))


def _judge(dependency: Dependency, policy: Policy, *, refused: bool, held: bool) -> tuple[Health, str]:
    fallen = _fallen(dependency, policy, refused=refused)
    if fallen:
        return fallen
    if dependency.unwell and dependency.passes >= needed(dependency, policy):
        return Health.RECOVERING, f"{dependency.passes} runs and probes in a row passed"
    if dependency.unwell and _tolerable(dependency, SURE * policy.minimum, policy):
        return Health.RECOVERING, _told(dependency)
    if _over(dependency, policy, held=held):
        return Health.HEALTHY, _told(dependency)
    return dependency.health, dependency.why


def _fallen(dependency: Dependency, policy: Policy, *, refused: bool) -> tuple[Health, str] | None:
    """Give what it has fallen to; None where it has not."""
    share = rate(dependency) if dependency.successes + dependency.failures >= policy.minimum else 0.0
    if dependency.health is Health.RECOVERING:
        again = dependency.passes == 0 and share >= policy.suspect_rate
        return (Health.SUSPECT, f"it failed again while it was recovering; {_told(dependency)}") if again else None
    if dependency.health is Health.DOWN:
        return None
    if refused and dependency.failures > dependency.successes:
        return Health.DOWN, f"it refuses connections; {_told(dependency)}"
    if share >= policy.down_rate:
        return Health.DOWN, _told(dependency)
    if dependency.health is Health.HEALTHY and share >= policy.suspect_rate:
        return Health.SUSPECT, _told(dependency)
    return None


_LATELY: Final = "runs failed lately"


def present(dependency: Dependency) -> Dependency:
    """Let an unwell dependency say why by the evidence of now: when it fell, little may have been known."""
    before, _, counts = dependency.why.rpartition("; ")
    if not dependency.unwell or not counts.endswith(_LATELY) or dependency.failures + dependency.successes < 1:
        return dependency
    now = _told(dependency)
    return replace(dependency, why=f"{before}; {now}" if before else now)


def _told(dependency: Dependency) -> str:
    return f"{dependency.failures:,.0f} of {dependency.failures + dependency.successes:,.0f} {_LATELY}"


def _over(dependency: Dependency, policy: Policy, *, held: bool) -> bool:
    """Tell whether nothing speaks against it any more: what is said against it has faded, or is outweighed."""
    if dependency.health is Health.HEALTHY or (dependency.unwell and held):
        return False
    outweighed = _tolerable(dependency, policy.minimum, policy)
    return dependency.failures < FADED or (outweighed and not dependency.unwell)


def _tolerable(dependency: Dependency, volume: float, policy: Policy) -> bool:
    enough = dependency.successes + dependency.failures >= volume
    return enough and rate(dependency) <= policy.tolerated_rate


def rate(dependency: Dependency) -> float:
    """Give the share of failures in what was seen lately; 0 where nothing was."""
    volume = dependency.successes + dependency.failures
    return dependency.failures / volume if volume else 0.0


def needed(dependency: Dependency, policy: Policy) -> int:
    """Give how many passes in a row show that it is back.

    With a share r of failures, n passes in a row come by luck with probability (1 - r)^n: as many are wanted as make
    that at most `risk`. What passed since the last failure does not count for r. A share that nobody would suspect
    counts as one that is: else a dependency of which few runs ever fail had to pass hundreds.
    """
    passed = dependency.passed - dependency.passes
    total = dependency.failed + passed
    share = max(dependency.failed / total if total else 1.0, policy.suspect_rate)
    if share >= WHOLE:
        return policy.passes
    return max(policy.passes, _luckless(share, policy))


def went_down(dependency: Dependency, now: datetime, why: str) -> Dependency:
    """Note that redrives failed again while it was recovering: it is down until the next passes."""
    if dependency.health is Health.DOWN:
        return replace(dependency, passes=0)
    return replace(dependency, health=Health.DOWN, why=why, since=now, passes=0)


def came_back(dependency: Dependency, now: datetime) -> Dependency:
    """Note that a canary came back well: what is held may follow."""
    if not dependency.unwell:
        return dependency
    return replace(dependency, health=Health.RECOVERING, why="a canary came back well", since=now)
