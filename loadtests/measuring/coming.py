"""Whether the load came that the scenario plans, and whether those who asked for a retry were answered."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Final

from loadtests.measuring.answering import of_api, of_runs, requests_of
from loadtests.measuring.turns import phases_of
from loadtests.verdict.figures import Figure

if TYPE_CHECKING:
    from loadtests.evidence import Evidence

RETRY: Final = "POST /recovery/retry"
DRY_RUN: Final = "dry run"
# What chance explains of a Poisson count: so many of its standard deviations.
DEVIATIONS: Final = 3.0


def coming(evidence: Evidence) -> list[Figure]:
    """Give both figures."""
    return [_arrivals_off(evidence), _retries(evidence)]


def _arrivals_off(evidence: Evidence) -> Figure:
    """Give the share by which the arrivals of the worst phase are off its rate, beyond what chance explains."""
    arrivals = [each.at for each in evidence.answered if not of_api(each) and not of_runs(each)]
    found = []
    for number, phase in enumerate(phases_of(evidence)):
        blocks = [each for each in evidence.blocks if each.phase == number]
        began, ended = (
            min((each.began for each in blocks), default=0.0),
            max((each.ended for each in blocks), default=0.0),
        )
        planned = (evidence.scenario.rate if phase.rate is None else phase.rate) * (ended - began)
        if planned > 0:
            made = sum(began <= at < ended for at in arrivals)
            off = max(0.0, abs(made - planned) - DEVIATIONS * sqrt(planned)) / planned
            found.append((off, f"{phase.name}: {made} came, {planned:.0f} planned"))
    if not found:
        return Figure.unmeasured("arrivals_off", "share", "expected phases with a rate, got none")
    off, about = max(found)
    return Figure("arrivals_off", "share", off, samples=len(arrivals), about=about)


def _retries(evidence: Evidence) -> Figure:
    """Count the retries that operators asked for and that were answered well, of all they asked for."""
    asked = [each for each in requests_of(evidence) if each.name.startswith(RETRY) and DRY_RUN not in each.name]
    if not asked:
        return Figure.unmeasured("retries_answered", "count", "expected an operator to ask for a retry, got none")
    well = sum(each.well for each in asked)
    return Figure("retries_answered", "count", well, samples=len(asked), numerator=well, denominator=len(asked))
