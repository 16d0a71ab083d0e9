"""What the first run of a call met, by the provider's log and the faults as they were made, and when it was over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadtests.accounts.stories import FIRST
from loadtests.scenarios.scenario import FaultKind, Link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtests.accounts.stories import Story
    from loadtests.evidence import Struck

MALFORMED: Final = "malformed"
UNEXPLAINED: Final = "unexplained"
NO_TROUBLE: Final = "-"
# These end a run, wherever it is.
KILLS: Final = (FaultKind.WORKER_KILLED, FaultKind.CHILD_KILLED)
# A call may meet these without a line in the provider's log.
LINKS: Final = (FaultKind.LINK_CUT, FaultKind.LINK_BLACK_HOLE, FaultKind.LINK_LATENCY, FaultKind.LINK_BANDWIDTH)
# Seconds after its end for which a fault explains what failed: a call waits for its answer as long as its client does.
STILL: Final = 1.0


@dataclass(frozen=True, slots=True)
class Met:
    """What a call's first run met; `over` is when a redrive could succeed, None where it never can."""

    kind: str
    over: float | None

    @property
    def recoverable(self) -> bool:
        """Tell whether a redrive can succeed at all. Nothing is wrong with what failed unexplained."""
        return self.over is not None


def met_by(story: Story, struck: Sequence[Struck]) -> Met:
    """Tell what a failed call met: what is wrong with it, what killed it, what the provider said, what held then."""
    if story.call.malformed or _trouble(story) == MALFORMED:
        return Met(MALFORMED, None)
    fault = _kill(story, struck) or _told(story, struck) or _held(story, struck)
    if fault is None:
        return Met(_trouble(story) or UNEXPLAINED, story.failed_at)
    over = fault.began if fault.kind is FaultKind.CHILD_KILLED else fault.ended
    return Met(str(fault.kind), max(over, story.failed_at))


def _trouble(story: Story) -> str | None:
    """Give the fault that held when the provider was first asked."""
    return next((a.trouble for a in story.asked if a.attempt == FIRST and a.trouble != NO_TROUBLE), None)


def _kill(story: Story, struck: Sequence[Struck]) -> Struck | None:
    """Find the kill that ended a first run of which no end came."""
    run = story.first_run
    if run is not None and run.state is not None:
        return None
    # a run that did not begin, or never came, was waiting in the worker
    from_ = story.call.sent if run is None else next(at for at in (run.began, run.received, story.call.sent) if at)
    kills = [each for each in struck if each.kind in KILLS and each.ended + STILL >= from_]
    named = [each for each in kills if story.call.id in each.note]
    whole = [each for each in kills if each.kind is FaultKind.WORKER_KILLED]
    return min(named or whole or kills, key=lambda each: each.began, default=None)


def _told(story: Story, struck: Sequence[Struck]) -> Struck | None:
    trouble, at = _trouble(story), story.failed_at
    return next((f for f in struck if f.kind == trouble and f.began <= at <= f.ended + STILL), None)


def _held(story: Story, struck: Sequence[Struck]) -> Struck | None:
    """Find what could make a call fail, and held while its first run was under way."""
    run = story.first_run
    if run is None or run.began is None or _trouble(story):
        return None
    until = story.failed_at
    return next((f for f in struck if _hurts(f) and f.began <= until and run.began <= f.ended + STILL), None)


def _hurts(fault: Struck) -> bool:
    if fault.kind in LINKS:
        return fault.target == Link.PROVIDER
    return fault.kind in {FaultKind.PROVIDER_KILLED, FaultKind.PROVIDER_SLOW, FaultKind.PROVIDER_DOWN}
