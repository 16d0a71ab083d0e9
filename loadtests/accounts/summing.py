"""The accounts as figures: one list, what the report tells of first retries, and what is wrong with the evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loadtests.accounts.costs import costs_of
from loadtests.accounts.events import lost_of
from loadtests.accounts.faults import faults_of
from loadtests.accounts.retries import retries_of
from loadtests.accounts.stories import stories_of
from loadtests.accounts.sums import conservation_of, dead_of
from loadtests.evidence import Arm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtests.accounts.stories import Story
    from loadtests.evidence import Evidence
    from loadtests.verdict.figures import Figure


@dataclass(frozen=True, slots=True)
class Accounts:
    """What was accounted for. `first_retry` is JSON-ready; `problems` say what was expected and what came."""

    figures: list[Figure]
    first_retry: dict[str, Any]
    problems: list[str] = field(default_factory=list)


def figures_of(evidence: Evidence) -> Accounts:
    """Account for every call, redrive and event of a run."""
    stories = stories_of(evidence)
    known, told = _in_arms(evidence, stories, {Arm.ON, Arm.TRACED}), _not_off(evidence, stories)
    retries = retries_of(evidence, stories, told)
    figures = [
        *retries.figures(),
        lost_of(evidence, known),
        costs_of(known, evidence.costs).figure(),
        conservation_of(evidence),
        dead_of(evidence),
        faults_of(evidence),
    ]
    return Accounts(figures, retries.as_data(), _problems(stories))


def _in_arms(evidence: Evidence, stories: Sequence[Story], arms: set[Arm]) -> list[Story]:
    blocks = {each.name for each in evidence.blocks if each.arm in arms}
    return [each for each in stories if each.call.block in blocks]


def _not_off(evidence: Evidence, stories: Sequence[Story]) -> list[Story]:
    """Leave out the calls of the worker without the plugin: what fails there has nobody who would bring it back."""
    off = {each.name for each in evidence.blocks if each.arm is Arm.OFF}
    return [each for each in stories if each.call.block not in off]


def _problems(stories: Sequence[Story]) -> list[str]:
    vanished = [each.call.id for each in stories if not each.runs and not each.asked]
    if not vanished:
        return []
    return [f"expected every call to come to a worker, got {len(vanished)} that were never seen, {vanished[0]} first"]
