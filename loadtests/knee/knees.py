"""The knees of a run, for calls and for the API, read from its evidence; and what else such a run is held against."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING, Final

from loadtests.knee.limiting import Limit, limit_of
from loadtests.knee.searching import Bounds, Tried, bounds_of
from loadtests.knee.stepping import Step, part_of, step_of
from loadtests.measuring.answering import answering
from loadtests.measuring.figures import Measured, figures_of
from loadtests.verdict import gates
from loadtests.verdict.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtests.evidence import Evidence
    from loadtests.scenarios.scenario import Phase
    from loadtests.verdict.gate import Gate

STEP_GATES: Final = "step_gates"


class Of(StrEnum):
    """What is raised in a search: the calls that become tasks, or the requests to the API."""

    CALLS = "calls"
    API = "api"


FIGURES: Final = {Of.CALLS: "knee_calls_per_second", Of.API: "knee_api_requests_per_second"}


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


def found_in(evidence: Evidence, cores: int | None = None) -> Measured:
    """Measure a run that looked for the knee.

    Steps beyond the knee are meant to miss, so requests and calls are those of the steps at the knee; what may never be
    lost is counted over the whole run, by the accounts.
    """
    knees, whole = knees_of(evidence, cores), figures_of(evidence)
    held = [step.phase for knee in knees for step in knee.at_knee]
    part = part_of(evidence, held)
    figures = {each.name: each for each in (*whole.figures, *answering(part, Random(evidence.scenario.seed)))}
    figures |= {each.name: each for each in map(figure_of, knees)}
    return replace(whole, figures=list(figures.values()), knees=knees)


def figure_of(knee: Knee) -> Figure:
    """Give the knee as a figure: what held twice, and as the upper end of what is known what missed first."""
    name, held, missed = FIGURES[knee.of], knee.bounds.held, knee.bounds.missed
    limit = knee.limit.sentence if knee.limit else "nothing: it was not reached, raise the search's most_rate"
    if held is None:
        return Figure.unmeasured(name, "1/s", f"expected a rate at which all gates hold, got none; limits: {limit}")
    seen = [each.calls_per_second if knee.of is Of.CALLS else each.api_requests_per_second for each in knee.at_knee]
    value = sum(seen) / len(seen)
    about = f"held at {held:.4g}/s asked, {'missed at ' + format(missed, '.4g') if missed else 'never missed'}; limits: {limit}"
    return Figure(name, "1/s", value, min(seen), None, samples=len(knee.steps), about=about)


def _knee(evidence: Evidence, of: Of, steps: Sequence[Step], cores: int) -> Knee:
    bounds = bounds_of(tried(steps))
    above = [each for each in steps if not each.held and each.asked == bounds.missed]
    return Knee(of, steps, bounds, limit_of(evidence, above[-1], cores) if above else None)
