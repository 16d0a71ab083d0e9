"""Duplicates that a kill may have made: of calls that were under way when a process died.

Who dies between publishing and recording publishes once more; nothing else excuses a second success.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadtests.scenarios.scenario import FaultKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtests.accounts.stories import Story
    from loadtests.evidence import Evidence

DIES: Final = (
    FaultKind.WORKER_KILLED,
    FaultKind.ORCHESTRATOR_KILLED,
    FaultKind.DATABASE_RESTARTED,
    FaultKind.BROKER_RESTARTED,
)


@dataclass(frozen=True, slots=True)
class Excused:
    """How many duplicates a kill may have made: by the ledger's rows, and as worker and provider saw them."""

    ledger: int
    seen: int


def excused_of(evidence: Evidence, stories: Sequence[Story]) -> Excused:
    """Count them."""
    deaths = [(each.began, each.ended) for each in evidence.struck if each.kind in DIES]
    met = [each for each in stories if any(each.call.sent <= ended and began <= _last(each) for began, ended in deaths)]
    ids = {each.call.id for each in met}
    ledger = sum(int(each["duplicates"]) for each in evidence.attempts if str(each["task_id"]) in ids)
    return Excused(ledger, sum(each.duplicates for each in met))


def _last(story: Story) -> float:
    """Give the last moment that is known of a call."""
    moments = [at for run in story.runs for at in (run.received, run.began, run.ended) if at is not None]
    return max([story.call.sent, *moments, *(each.at for each in story.asked)])
