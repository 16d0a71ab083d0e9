"""The gate of a dependency: whether redrives may go now, and if not, what they wait for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from orchestrator.domain.health import needed
from orchestrator.domain.showing import shown_time

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.domain.dependencies import Dependency, Policy


@dataclass(frozen=True, slots=True)
class Shut:
    """The gate is shut; `until` is known only where it opens by the clock."""

    why: str
    until: datetime | None = None


def shut(dependency: Dependency, policy: Policy, now: datetime) -> Shut | None:
    """Say what keeps a canary back; None when it may go.

    A person's hold and a Retry-After always do; bad evidence does as long as better evidence can be had: from a probe,
    or from ordinary runs that are heard of.
    """
    closed = barred(dependency, now)
    if closed:
        return closed
    if not dependency.unwell or not _evidence_comes(dependency, policy, now):
        return None
    if dependency.since and now - dependency.since >= timedelta(seconds=policy.patience):
        return None
    passes = f"{dependency.passes} of {needed(dependency, policy)} passes in a row"
    return Shut(f"{dependency.name} is {dependency.health}: {dependency.why}; {passes}")


def barred(dependency: Dependency, now: datetime) -> Shut | None:
    """Say what keeps every redrive back, also in the ramp: a person, or the dependency's own Retry-After."""
    if dependency.held_by:
        return Shut(f"held by {dependency.held_by}: {dependency.held_reason}")
    if dependency.not_before and now < dependency.not_before:
        until = dependency.not_before
        return Shut(f"{dependency.name} asked to be left alone until {shown_time(until)}", until)
    return None


def _evidence_comes(dependency: Dependency, policy: Policy, now: datetime) -> bool:
    live = dependency.live_at is not None and now - dependency.live_at <= timedelta(seconds=policy.live_for)
    return policy.probed or live
