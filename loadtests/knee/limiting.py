"""What limits at a rate: which process has no processor left, or the machine, or the load itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadtests.measuring.meters import meters_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadtests.evidence import Evidence
    from loadtests.knee.stepping import Step

# A process of one interpreter can use one core; a busy one is near it.
BUSY: Final = 0.85
LOCUST: Final = "locust"
LATE: Final = "arrivals_late"


@dataclass(frozen=True, slots=True)
class Limit:
    """What limits, in a sentence, and the cores that each process used meanwhile, the greatest first."""

    sentence: str
    cores: Mapping[str, float]


def limit_of(evidence: Evidence, step: Step, cores: int) -> Limit:
    """Tell what limited a step, on a machine of so many cores."""
    used = cores_used(evidence, step.began, step.ended)
    return Limit(_sentence(used, cores, step.why), used)


def cores_used(evidence: Evidence, began: float, ended: float) -> dict[str, float]:
    """Give the processors that each process used between two moments; one that was not seen all along is left out."""
    found = {name: meter.used(began, ended) for name, meter in meters_of(evidence.samples).items()}
    known = {name: used / (ended - began) for name, used in found.items() if used is not None}
    return dict(sorted(known.items(), key=lambda each: -each[1]))


def _sentence(used: Mapping[str, float], cores: int, why: Sequence[str]) -> str:
    """Name the cause: the load's own process before the machine, the machine before one process of it."""
    missed = f"missed: {', '.join(why)}" if why else "no gate missed"
    if not used:
        return f"not known: no process was sampled; {missed}"
    total, most = sum(used.values()), next(iter(used))
    parts = ", ".join(f"{name} {each:.2f}" for name, each in list(used.items())[:4])
    if used.get(LOCUST, 0.0) >= BUSY and any(each.startswith(LATE) for each in why):
        return f"the load itself: Locust used {used[LOCUST]:.2f} of one core and came late ({parts}); {missed}"
    if total >= BUSY * cores:
        return f"the machine: {total:.2f} of {cores} cores busy, {most} most ({parts}); {missed}"
    single = [name for name, each in used.items() if each >= BUSY and not name.startswith("worker")]
    if single:
        return f"{single[0]}: {used[single[0]]:.2f} of the one core that an interpreter can use ({parts}); {missed}"
    return f"not the processor: {total:.2f} of {cores} cores busy ({parts}); {missed}"
