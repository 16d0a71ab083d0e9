"""One step of a search: the part of a run's evidence that belongs to it, its figures, and whether its gates held."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Final

from loadtests.first_retry.figures import wilson
from loadtests.measuring.answering import answering, of_api, requests_of
from loadtests.measuring.turns import SUCCESS
from loadtests.verdict.figures import Figure
from loadtests.verdict.judging import Outcome, judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loadtests.evidence import Evidence
    from loadtests.verdict.gate import Gate
    from loadtests.verdict.judging import Judged

# Calls that came so shortly before the end of a step may be under way.
UNDER_WAY_SECONDS: Final = 2.0
# Steps are judged by values; their intervals are for the reader.
RESAMPLES: Final = 200


@dataclass(frozen=True, slots=True)
class Step:
    """One step as it was measured: `asked` is the rate it was played for, `why` names the gates that did not hold."""

    phase: int
    asked: float
    began: float
    ended: float
    figures: Sequence[Figure]
    why: Sequence[str]
    calls_per_second: float
    api_requests_per_second: float

    @property
    def held(self) -> bool:
        """Tell whether all gates held."""
        return not self.why


def part_of(evidence: Evidence, phases: Iterable[int]) -> Evidence:
    """Give the evidence of some phases, by their numbers: their blocks, calls and requests."""
    wanted = set(phases)
    blocks = [each for each in evidence.blocks if each.phase in wanted]
    names, spans = {each.name for each in blocks}, [(each.began, each.ended) for each in blocks]
    calls = [each for each in evidence.calls if each.block in names]
    ids = {each.id for each in calls}
    return replace(
        evidence,
        blocks=blocks,
        calls=calls,
        runs=[each for each in evidence.runs if each.id in ids],
        answered=[each for each in evidence.answered if any(began <= each.at < ended for began, ended in spans)],
    )


def step_of(evidence: Evidence, phase: int, asked: float, gates: Sequence[Gate]) -> Step:
    """Measure and judge one phase of a run as a step."""
    part = part_of(evidence, [phase])
    began, ended = part.blocks[0].began, part.blocks[-1].ended
    figures = [*answering(part, Random(evidence.scenario.seed + phase), RESAMPLES), _done_in_time(part, ended)]
    figures.append(_catch_up(evidence, ended))
    verdict = judge(figures, gates, evidence.scenario)
    rows = [] if verdict.outcome is Outcome.PASSED else [row for row in verdict.rows if row.met is not True]
    requests, seconds = [each for each in requests_of(part) if of_api(each) and each.well], ended - began
    return Step(
        phase,
        asked,
        began,
        ended,
        figures,
        [_missed(row) for row in rows],
        len(part.calls) / seconds,
        len(requests) / seconds,
    )


def _missed(row: Judged) -> str:
    """Name a gate that did not hold, with what came, or why nobody can tell."""
    if row.met is None or row.value is None:
        return f"{row.figure} not measured: {row.why}"
    return f"{row.figure} {row.value:.4g} {row.unit}"


def _done_in_time(part: Evidence, ended: float) -> Figure:
    """Give the share of a step's calls that had succeeded when it ended, of those that came early enough."""
    done = {each.id for each in part.runs if each.state == SUCCESS and (each.ended or 0) <= ended}
    due = [each.id for each in part.calls if each.intended <= ended - UNDER_WAY_SECONDS and not each.malformed]
    if not due:
        return Figure.unmeasured("done_in_time", "share", "expected calls, got none; see Locust's log")
    count = len(done.intersection(due))
    low, high = wilson(count, len(due))
    return Figure("done_in_time", "share", count / len(due), low, high, len(due), count, len(due))


def _catch_up(evidence: Evidence, ended: float) -> Figure:
    """Give how long after a step's end nothing was left on the bus or for a sink, as a look at it found."""
    until = min((each.began for each in evidence.blocks if each.began >= ended), default=float("inf"))
    for look in evidence.backlog:
        if ended <= look.at < until and not (look.bus or 0) + sum(look.sinks.values()):
            return Figure("catch_up_s", "s", look.at - ended)
    return Figure.unmeasured("catch_up_s", "s", "expected nothing to wait before the next step, got a backlog")
