"""All that is measured of a run but the accounts: made of its evidence and of nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

from loadtests.evidence import Arm
from loadtests.measuring.answering import answering
from loadtests.measuring.coming import coming
from loadtests.measuring.comparing import QUANTILES, Comparison, What, compare
from loadtests.measuring.resources import resources
from loadtests.measuring.soaking import soaking
from loadtests.measuring.turns import SPANS, groups_of, pairs_of, phases_of, turns_of
from loadtests.scenarios.scenario import Bus, PhaseKind
from loadtests.verdict.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtests.evidence import Evidence

# What a figure of a span is called.
NAMED: Final = {
    "end_to_end": "overhead",
    "worker": "worker_overhead",
    "worker_delayed": "worker_delayed_overhead",
}
ABOUT: Final = {
    "end_to_end": "from the intended start to the end of the first run, with the plugin minus without",
    "worker": "in the worker, parent and child, without waits for model, results and a processor, with the plugin minus"
    " without",
    "worker_delayed": "the same with its waits for a processor",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures, by their names, and the comparisons of arms that some of them are made of."""

    figures: Sequence[Figure]
    comparisons: Sequence[Comparison]


def figures_of(evidence: Evidence) -> Measured:
    """Measure a run: overhead, resources, answers, growth. The dice of its intervals are the scenario's seed."""
    dice = Random(evidence.scenario.seed)
    comparisons = compared(evidence, dice)
    overheads = [_overhead(each, at) for each in comparisons for at in QUANTILES]
    return Measured(
        [*overheads, *resources(evidence, dice), *answering(evidence, dice), *coming(evidence), *soaking(evidence)],
        comparisons,
    )


def compared(evidence: Evidence, dice: Random) -> list[Comparison]:
    """Compare the arms that the scenario's overhead phases were planned for, over each span."""
    turns = turns_of(evidence)
    return [
        compare(What(bus, arm, span), pairs_of(groups_of(evidence, bus), arm, span, turns), dice)
        for bus, arm in planned(evidence)
        for span in SPANS
    ]


def planned(evidence: Evidence) -> list[tuple[Bus, Arm]]:
    """Give the comparisons that the overhead phases are there for: with tracing only where it is switched on."""
    phases = [each for each in phases_of(evidence) if each.kind is PhaseKind.OVERHEAD]
    found = {(each.bus, Arm.ON) for each in phases} | {(each.bus, Arm.TRACED) for each in phases if each.traced}
    return [(bus, arm) for arm in (Arm.ON, Arm.TRACED) for bus in Bus if (bus, arm) in found]


def name_of(comparison: Comparison, quantile: str) -> str:
    """Name the figure of a comparison: 'worker_overhead_p95_ms_bus_slow_traced'."""
    bus = "" if comparison.bus == Bus.UP else f"_bus_{comparison.bus}"
    traced = "_traced" if comparison.arm == Arm.TRACED else ""
    return f"{NAMED[comparison.span]}_{quantile}_ms{bus}{traced}"


def _overhead(comparison: Comparison, quantile: str) -> Figure:
    found, name = comparison.at(quantile), name_of(comparison, quantile)
    if found.difference is None:
        return Figure.unmeasured(name, "ms", found.why_not or "expected a difference, got none; run longer")
    samples = min(comparison.samples_on, comparison.samples_off)
    about = f"{ABOUT[comparison.span]}; {comparison.blocks} pairs of blocks"
    return Figure(name, "ms", found.difference, found.low, found.high, samples=samples, about=about)
