"""The knees of a run, for calls and for the API, read from its evidence; and what else such a run is held against."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING, Final

from loadtests.knee.limiting import Limit, limit_of
from loadtests.knee.searching import TIMES, Bounds, Tried, bounds_of
from loadtests.knee.stepping import Step, part_of, step_of
from loadtests.measuring.answering import answering
from loadtests.measuring.figures import figures_of
from loadtests.verdict import gates
from loadtests.verdict.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtests.evidence import Evidence
    from loadtests.measuring.comparing import Comparison
    from loadtests.scenarios.scenario import Phase
    from loadtests.verdict.gate import Gate

STEP_GATES: Final = "step_gates"


class Of(StrEnum):
    """What is raised in a search: the calls that become tasks, or the requests to the API."""

    CALLS = "calls"
    API = "api"


FIGURES: Final = {Of.CALLS: "knee_calls_per_second", Of.API: "knee_api_requests_per_second"}


@dataclass(frozen=True, slots=True)
class Sought:
    """What a run that looked for the knee measured: figures, comparisons of arms, and the searches themselves."""

    figures: Sequence[Figure]
    comparisons: Sequence[Comparison]
    knees: Sequence[Knee]


@dataclass(frozen=True, slots=True)
class Knee:
    """One search: its steps as they were played, what they say of the knee, and what limits just above it."""

    of: Of
    steps: Sequence[Step]
    bounds: Bounds
    limit: Limit | None

    @property
    def at_knee(self) -> list[Step]:
        """Give the steps that were played at the knee."""
        return [each for each in self.steps if each.asked == self.bounds.held]


def asked_of(phase: Phase) -> tuple[Of, float]:
    """Tell what a step raised, and the rate that it was played for."""
    if phase.telemetry_rate is not None:
        return Of.API, phase.telemetry_rate
    return Of.CALLS, phase.rate or 0.0


def steps_of(evidence: Evidence, of: Of, asked: Sequence[Gate]) -> list[Step]:
    """Measure and judge all steps of one search."""
    told = [(number, *asked_of(phase)) for number, phase in enumerate(evidence.phases)]
    return [step_of(evidence, number, rate, asked) for number, what, rate in told if what is of]


def tried(steps: Sequence[Step]) -> list[Tried]:
    """Give of each step what the search has to know."""
    return [Tried(each.asked, each.held) for each in steps]


def knees_of(evidence: Evidence, cores: int | None = None) -> list[Knee]:
    """Give the knee of each search that was played; `cores` are the machine's, this one's where nothing is said."""
    asked, machine = gates.load(STEP_GATES), cores or os.cpu_count() or 1
    searches = [(of, steps) for of in Of if (steps := steps_of(evidence, of, asked))]
    return [_knee(evidence, of, steps, machine) for of, steps in searches]


def found_in(evidence: Evidence, cores: int | None = None) -> Sought:
    """Measure a run that looked for the knee.

    Steps beyond the knee are meant to miss, so requests and calls are those of the steps at the knee; what may never be
    lost is counted over the whole run, by the accounts.
    """
    knees, whole = knees_of(evidence, cores), figures_of(evidence)
    figures = {each.name: each for each in (*whole.figures, *_at_knees(evidence, knees))}
    figures |= {each.name: each for each in map(figure_of, knees)}
    return Sought(list(figures.values()), whole.comparisons, knees)


def _at_knees(evidence: Evidence, knees: Sequence[Knee]) -> list[Figure]:
    """Give requests and calls as they were at the knee: each figure of the search that raised what it is about."""
    phases = {knee.of: [step.phase for step in knee.at_knee] for knee in knees}
    parts = {of: _answering(evidence, numbers) for of, numbers in phases.items()}
    both = _answering(evidence, [number for numbers in phases.values() for number in numbers])
    owners = {name: _about(name) for name in both}
    return [parts[of][name] if (of := owners[name]) in parts else both[name] for name in both]


def _answering(evidence: Evidence, phases: Sequence[int]) -> dict[str, Figure]:
    part = part_of(evidence, phases)
    return {each.name: each for each in answering(part, Random(evidence.scenario.seed))}


def _about(figure: str) -> Of | None:
    if figure.startswith("api_"):
        return Of.API
    return Of.CALLS if figure.startswith(("end_to_end_", "throughput_")) else None


def figure_of(knee: Knee) -> Figure:
    """Give the knee as a figure: the mean of what came at the rate that held twice; `about` tells what missed above it.

    It has no interval: what held and what missed are bounds of the search, not of chance.
    """
    name, held, missed = FIGURES[knee.of], knee.bounds.held, knee.bounds.missed
    limit = knee.limit.sentence if knee.limit else "nothing: it was not reached, raise the search's most_rate"
    if held is None:
        return Figure.unmeasured(name, "1/s", f"expected a rate at which all gates hold, got none; limits: {limit}")
    seen = [each.calls_per_second if knee.of is Of.CALLS else each.api_requests_per_second for each in knee.at_knee]
    value = sum(seen) / len(seen)
    beyond = f"missed at {missed:.4g}" if missed else "never missed"
    about = f"held {len(seen)} times at {held:.4g}/s asked, {beyond}; limits: {limit}"
    if missed is None or len(seen) < TIMES:
        return Figure.unmeasured(
            name, "1/s", f"expected one that held {TIMES} times below one that missed, got: {about}"
        )
    return Figure(name, "1/s", value, samples=len(knee.steps), about=about)


def _knee(evidence: Evidence, of: Of, steps: Sequence[Step], cores: int) -> Knee:
    bounds = bounds_of(tried(steps))
    above = [each for each in steps if not each.held and each.asked == bounds.missed]
    return Knee(of, steps, bounds, limit_of(evidence, above[-1], cores) if above else None)
