"""Processors apart: workers have some to themselves, and all that has machines of its own in production has the others.

On a machine that all share, what the orchestrator does with an arm's events takes the processor from that arm alone,
and its wait for one would be told as the plugin's.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadtests.scenarios.scenario import PhaseKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from loadtests.scenarios.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Shares:
    """Which processors the workers have, and which everything else has."""

    workers: frozenset[int]
    others: frozenset[int]


def shares_of(processors: Collection[int]) -> Shares | None:
    """Give the workers one half, the smaller one; None where there is but one processor."""
    ordered = sorted(processors)
    half = len(ordered) // 2
    return Shares(frozenset(ordered[:half]), frozenset(ordered[half:])) if half else None


@contextmanager
def apart(scenario: Scenario) -> Iterator[Shares | None]:
    """Keep this process, and so all that it starts, off the workers' processors while the arms are compared.

    Gives None, and keeps nothing apart, where no phase compares them or the system cannot.
    """
    compares = any(each.kind is PhaseKind.OVERHEAD for each in scenario.phases)
    if not compares or not hasattr(os, "sched_setaffinity"):
        yield None
        return
    before = os.sched_getaffinity(0)
    shares = shares_of(before)
    if shares is not None:
        os.sched_setaffinity(0, shares.others)
    try:
        yield shares
    finally:
        os.sched_setaffinity(0, before)
