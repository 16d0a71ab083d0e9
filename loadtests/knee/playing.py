"""The phases of a run that looks for the knee: each step is chosen when the one before has been seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadtests.knee.knees import STEP_GATES, Of, tried
from loadtests.knee.searching import next_rate
from loadtests.knee.stepping import step_of
from loadtests.scenarios.scenario import Phase, PhaseKind
from loadtests.verdict import gates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadtests.evidence import Evidence
    from loadtests.knee.stepping import Step
    from loadtests.scenarios.scenario import Scenario, Search

# A search that finds no end is none.
MOST_STEPS: Final = 40


def phases(
    scenario: Scenario, search: Search, seen: Callable[[], Evidence], say: Callable[[str], None]
) -> Iterator[Phase]:
    """Give the steps of both searches, one by one. `seen` is asked after each step for the evidence so far."""
    for of in Of:
        yield from _one(scenario, search, of, seen, say)


def _one(
    scenario: Scenario, search: Search, of: Of, seen: Callable[[], Evidence], say: Callable[[str], None]
) -> Iterator[Phase]:
    asked = gates.load(STEP_GATES)
    known: list[Step] = []
    for number in range(1, MOST_STEPS + 1):
        rate = next_rate(search, tried(known))
        if rate is None:
            return
        yield phase_of(scenario, search, of, rate, number)
        evidence = seen()
        last = step_of(evidence, len(evidence.phases) - 1, rate, asked)
        known.append(last)
        say(f"  {last.asked:.4g}/s {'holds' if last.held else 'misses: ' + ', '.join(last.why)}")


def phase_of(scenario: Scenario, search: Search, of: Of, rate: float, number: int) -> Phase:
    """Give one step; what is not raised stays as the scenario says."""
    name = f"{of}-{number}-{rate:.4g}"
    if of is Of.API:
        return Phase(name, PhaseKind.LOAD, search.step_seconds, rate=scenario.rate, telemetry_rate=rate)
    return Phase(name, PhaseKind.LOAD, search.step_seconds, rate=rate)
