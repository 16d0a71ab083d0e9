"""Faults that were planned, and those of them that were made: a fault that nothing shows is none."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from loadtests.accounts.kinds import MALFORMED, NO_TROUBLE
from loadtests.accounts.stories import WELL
from loadtests.scenarios.scenario import FaultKind, Link
from loadtests.verdict.figures import Figure

if TYPE_CHECKING:
    from loadtests.evidence import Asked, Evidence, Struck

NAME: Final = "faults_made"
# The provider itself notes these, for each request that meets them.
NOTED: Final = (FaultKind.PROVIDER_DOWN, FaultKind.PROVIDER_RATE_LIMITED, FaultKind.PROVIDER_SLOW)
# While these hold, nobody gets an answer.
SILENCING: Final = (FaultKind.PROVIDER_KILLED, FaultKind.LINK_CUT, FaultKind.LINK_BLACK_HOLE)
# Seconds at both ends of a fault in which an answer that was on its way may still come.
EDGE: Final = 0.5


def faults_of(evidence: Evidence) -> Figure:
    """Count the faults whose effect was seen; the denominator are those that the phases planned."""
    phases = evidence.phases or evidence.scenario.phases
    planned = Counter(str(fault.kind) for phase in phases for fault in phase.faults)
    if not planned:
        return Figure.unmeasured(NAME, "count", "expected a scenario with faults, got one without any")
    made = Counter(str(each.kind) for each in evidence.struck if _seen(each, evidence))
    missing = planned - made
    told = ", ".join(f"{number} x {kind}" for kind, number in missing.items())
    about = f"without effect: {told}" if told else ""
    seen, of = (planned & made).total(), planned.total()
    return Figure(NAME, "count", seen, samples=of, numerator=seen, denominator=of, about=about)


def _seen(struck: Struck, evidence: Evidence) -> bool:
    """Tell whether a fault left a trace: in provider's log or worker's stamps.

    Of a slow line, and of links to bus and database, the evidence has no trace: the note of what was done stands for
    it.
    """
    asked = evidence.asked
    if struck.kind is FaultKind.CHILD_KILLED:
        return any(each.ended is None and each.id in struck.note for each in evidence.runs)
    if struck.kind in NOTED:
        return any(_troubled(each) for each in asked if struck.began <= each.at <= struck.ended)
    if struck.kind in SILENCING and (struck.kind is FaultKind.PROVIDER_KILLED or struck.target == Link.PROVIDER):
        answers = (each.at for each in asked if each.status == WELL)
        return _needed(struck, evidence) and not any(_amid(struck, at) for at in answers)
    if struck.kind is FaultKind.WORKER_STOPPED:
        received = (each.received for each in evidence.runs if each.received is not None)
        return _needed(struck, evidence) and not any(_amid(struck, at) for at in received)
    return bool(struck.note)


def _needed(struck: Struck, evidence: Evidence) -> bool:
    """Tell whether anybody called while it held: silence where nobody speaks shows nothing."""
    return any(_amid(struck, each.sent) for each in evidence.calls)


def _amid(struck: Struck, moment: float) -> bool:
    return struck.began + EDGE < moment < struck.ended - EDGE


def _troubled(asked: Asked) -> bool:
    return asked.trouble not in {NO_TROUBLE, MALFORMED}
