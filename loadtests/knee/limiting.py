"""What limits at a rate: the load itself, the machine, one process without processor left, or a full pool."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from loadtests.evidence import MACHINE
from loadtests.measuring.meters import meters_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadtests.evidence import Evidence
    from loadtests.knee.stepping import Step

# A process of one interpreter can use one core; a busy one is near it.
BUSY: Final = 0.85
LOCUST: Final = "locust"
WORKER: Final = "worker"
LATE: Final = "arrivals_late"


@dataclass(frozen=True, slots=True)
class Limit:
    """What limits, in a sentence; the cores that each process used meanwhile, the greatest first.

    `busy` are the machine's cores that were not idle, whoever used them; `at_once` how many calls the worker had in
    work on average, `most_at_once` the most that it ever had in the run.
    """

    sentence: str
    cores: Mapping[str, float]
    busy: float
    at_once: float
    most_at_once: int


def limit_of(evidence: Evidence, step: Step, cores: int) -> Limit:
    """Tell what limited a step, on a machine of so many cores."""
    used = cores_used(evidence, step.began, step.ended)
    whole = used.pop(MACHINE, 0.0)
    busy = max(whole, sum(used.values()))
    at_once, most = in_work(evidence, step)
    told = Limit("", used, busy, at_once, most)
    missed = f"missed: {', '.join(step.why)}" if step.why else "no gate missed"
    return replace(told, sentence=f"{_cause(told, cores, step.why)}; {missed}")


def cores_used(evidence: Evidence, began: float, ended: float) -> dict[str, float]:
    """Give the processors that each process used between two moments; one that was not seen all along is left out."""
    found = {name: meter.used(began, ended) for name, meter in meters_of(evidence.samples).items()}
    known = {name: used / (ended - began) for name, used in found.items() if used is not None}
    return dict(sorted(known.items(), key=lambda each: -each[1]))


def in_work(evidence: Evidence, step: Step) -> tuple[float, int]:
    """Give how many calls were in work at once: on average over a step, and at most in the whole run."""
    spans = [(run.began, run.ended) for run in evidence.runs if run.began is not None and run.ended is not None]
    held = sum(max(0.0, min(ended, step.ended) - max(began, step.began)) for began, ended in spans)
    moves = sorted([(began, 1) for began, _ in spans] + [(ended, -1) for _, ended in spans])
    return held / (step.ended - step.began), max(accumulate(move for _, move in moves), default=0)


def _cause(told: Limit, cores: int, why: Sequence[str]) -> str:
    """Name the cause: the load's own process, then the machine, then one process of it, then the pool."""
    used = told.cores
    if not used:
        return "not known: no process was sampled"
    parts = ", ".join(f"{name} {each:.2f}" for name, each in list(used.items())[:4])
    if used.get(LOCUST, 0.0) >= BUSY and any(each.startswith(LATE) for each in why):
        return f"the load itself: Locust used {used[LOCUST]:.2f} of one core and came late ({parts})"
    if told.busy >= BUSY * cores:
        others = told.busy - sum(used.values())
        return f"the machine: {told.busy:.2f} of {cores} cores busy ({parts}; not ours {others:.2f})"
    single = [name for name, each in used.items() if each >= BUSY and not name.startswith(WORKER)]
    if single:
        return f"{single[0]}: {used[single[0]]:.2f} of the one core that an interpreter can use ({parts})"
    if told.at_once >= BUSY * told.most_at_once > 0:
        return f"the worker's pool: {told.at_once:.1f} of {told.most_at_once} children had a call ({parts})"
    return f"not the processor: {told.busy:.2f} of {cores} cores busy ({parts})"
