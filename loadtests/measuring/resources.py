"""Processor time and memory: what the plugin's worker takes beyond the other, what the orchestrator takes a call."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Final

from loadtests.evidence import Arm
from loadtests.measuring.bootstrap import FEWEST_CLUSTERS, interval
from loadtests.measuring.meters import meters_of
from loadtests.measuring.turns import groups_of
from loadtests.measuring.windows import sorted_into, windows_of
from loadtests.scenarios.scenario import Bus
from loadtests.verdict.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

    from loadtests.evidence import Block, Evidence
    from loadtests.measuring.meters import Meter

MB: Final = 1_000_000
_MICRO: Final = 1_000_000
ORCHESTRATOR: Final = "orchestrator"


@dataclass(frozen=True, slots=True)
class Part:
    """What one cluster adds to the two ratios that are compared: how much, of how many; `less` is taken from `more`."""

    more: float
    more_of: float
    less: float = 0.0
    less_of: float = 1.0


def worker_of(arm: Arm) -> str:
    """Give the name under which an arm's worker is sampled."""
    return f"worker-{arm}"


def resources(evidence: Evidence, dice: Random) -> list[Figure]:
    """Give the figures of processor time and memory; the workers' only where overhead phases were planned."""
    meters = meters_of(evidence.samples)
    groups = [group for group in groups_of(evidence, Bus.UP) if Arm.ON in group and Arm.OFF in group]
    found = [_orchestrator_cpu(evidence, meters, dice)]
    if groups:
        found += [_worker_cpu(evidence, groups, meters, dice), _worker_memory(groups, meters, dice)]
    return found


def _worker_cpu(
    evidence: Evidence, groups: Sequence[Mapping[Arm, Block]], meters: Mapping[str, Meter], dice: Random
) -> Figure:
    """Compare the two workers' processor time a call, over the same stretches: what they do when idle is in it."""
    calls, parts = Counter(each.block for each in evidence.calls), []
    for group in groups:
        on, off = _used(meters, worker_of(Arm.ON), group), _used(meters, worker_of(Arm.OFF), group)
        if on is not None and off is not None:
            parts.append(Part(on * _MICRO, calls[group[Arm.ON].name], off * _MICRO, calls[group[Arm.OFF].name]))
    about = "processor time a call of the worker with the plugin minus without, pool and parent, bus up"
    return _told("worker_cpu_overhead_us", "us", parts, dice, about)


def _worker_memory(groups: Sequence[Mapping[Arm, Block]], meters: Mapping[str, Meter], dice: Random) -> Figure:
    parts = []
    for group in groups:
        on, off = _resident(meters, worker_of(Arm.ON), group), _resident(meters, worker_of(Arm.OFF), group)
        if on is not None and off is not None:
            parts.append(Part(on / MB, 1.0, off / MB))
    about = "resident memory of the worker with the plugin minus without, children added, shared pages in each"
    return _told("worker_memory_overhead_mb", "MB", parts, dice, about)


def _orchestrator_cpu(evidence: Evidence, meters: Mapping[str, Meter], dice: Random) -> Figure:
    windows, meter = windows_of(evidence), meters.get(ORCHESTRATOR)
    calls = sorted_into(windows, evidence.calls, lambda each: each.sent)
    used = [meter.used(each.began, each.ended) if meter else None for each in windows]
    parts = [Part(each * _MICRO, len(found)) for each, found in zip(used, calls, strict=True) if each is not None]
    return _told("orchestrator_cpu_us_per_call", "us", parts, dice, "all its work while loaded, by the calls sent")


def _told(name: str, unit: str, parts: Sequence[Part], dice: Random, about: str) -> Figure:
    """Give the difference of two ratios of sums, with the interval of drawing the parts."""
    value = _ratio(parts, [1] * len(parts))
    found = interval(lambda weights: _ratio(parts, weights), len(parts), dice)
    if value is None or found is None:
        why = f"expected samples and calls of at least {FEWEST_CLUSTERS} stretches of the load, got {len(parts)}"
        return Figure.unmeasured(name, unit, f"{why}; see whether the processes were sampled, or run longer")
    return Figure(name, unit, value, found.low, found.high, samples=len(parts), about=about)


def _ratio(parts: Sequence[Part], weights: Sequence[int]) -> float | None:
    of, less_of = (
        sum(weight * part.more_of for weight, part in zip(weights, parts, strict=True)),
        sum(weight * part.less_of for weight, part in zip(weights, parts, strict=True)),
    )
    if not of or not less_of:
        return None
    more = sum(weight * part.more for weight, part in zip(weights, parts, strict=True))
    less = sum(weight * part.less for weight, part in zip(weights, parts, strict=True))
    return more / of - less / less_of


def _used(meters: Mapping[str, Meter], process: str, group: Mapping[Arm, Block]) -> float | None:
    return meters[process].used(*_times(group)) if process in meters else None


def _resident(meters: Mapping[str, Meter], process: str, group: Mapping[Arm, Block]) -> float | None:
    samples = meters[process].between(*_times(group)) if process in meters else ()
    return fmean(each.rss_bytes for each in samples) if samples else None


def _times(group: Mapping[Arm, Block]) -> tuple[float, float]:
    return min(each.began for each in group.values()), max(each.ended for each in group.values())
