"""Events by their ids: from the workers' runs into the event log, from there into each sink that takes them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from eventbus.wire import (
    ATTEMPT_ENDED,
    COMMAND_RECORDED,
    LLM_CALL,
    REDELIVERY_ENDED,
    TASK_FAILED,
    TASK_OUTCOMES,
    TYPES,
    WORKER_SEEN,
)
from loadtests.accounts.stories import FAILURE, FIRST, SKIPPED
from loadtests.scenarios.scenario import FaultKind
from loadtests.verdict.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadtests.accounts.stories import Story
    from loadtests.evidence import Evidence, Struck

LOST, COUNT = "events_lost", "count"
WAREHOUSE, RUDDERSTACK = "warehouse", "rudderstack"
# What a sink takes, whatever its counts call filtered: what it lacks of these is late, dead or lost. Events of types
# that are not ours, it does not take.
TAKEN: Final = {
    WAREHOUSE: TYPES - {TASK_OUTCOMES},
    RUDDERSTACK: TYPES - {COMMAND_RECORDED, REDELIVERY_ENDED, TASK_OUTCOMES, WORKER_SEEN},
}
MOST_TOLD: Final = 5
KILLS: Final = (FaultKind.CHILD_KILLED, FaultKind.WORKER_KILLED)
# These have gates of their own: what waits by `backlog_end`, what was given up by `dead_letters`.
NOT_THERE: Final = ("pending", "dead")


@dataclass(slots=True)
class Losses:
    """What is missing, by place, each by its id; `looked_for` counts what had to be there."""

    looked_for: int = 0
    missing: dict[str, list[str]] = field(default_factory=dict)

    def add(self, place: str, ids: Sequence[str], looked_for: int) -> None:
        """Note what one place lacks."""
        self.looked_for += looked_for
        if ids:
            self.missing.setdefault(place, []).extend(ids)

    @property
    def told(self) -> list[str]:
        """Say what is missing where."""
        return [f"{place}: {len(ids)} missing, {', '.join(ids[:MOST_TOLD])}" for place, ids in self.missing.items()]


def lost_of(evidence: Evidence, instrumented: Sequence[Story]) -> Figure:
    """Count the events that a worker's run made and nobody has, and those that were accepted and a sink has not."""
    if why_not := _blind(evidence):
        return Figure.unmeasured(LOST, COUNT, why_not)
    losses = Losses()
    _receipts(losses, evidence)
    _into_the_log(losses, evidence, instrumented)
    for sink in evidence.stored:
        _into_a_sink(losses, evidence, sink)
    _into_the_cost_table(losses, evidence)
    value = sum(len(ids) for ids in losses.missing.values())
    return Figure(LOST, COUNT, value, samples=losses.looked_for, about="; ".join(losses.told))


def _blind(evidence: Evidence) -> str | None:
    """Say what keeps a loss from being seen."""
    if not evidence.accepted:
        return "expected events in the event log, got none"
    if not evidence.stored:
        return "expected the ids of what the sinks hold, got those of no sink"
    unknown = sorted(set(evidence.stored) - set(evidence.sinks))
    if unknown:
        return f"expected the counts of each sink that holds events, got none of {', '.join(unknown)}"
    if {str(each["key"]) for each in evidence.events} != set(evidence.accepted):
        return "expected a row of the event log for each accepted id, got others"
    return None


def _receipts(losses: Losses, evidence: Evidence) -> None:
    """Look in the log for what the producer of telemetry has receipts for, under its own ids."""
    there = {str(each["id"]) for each in evidence.events}
    absent = [each for each in evidence.receipts if each not in there]
    losses.add("the event log", [f"{each} with a receipt" for each in absent], len(evidence.receipts))


def _into_the_log(losses: Losses, evidence: Evidence, instrumented: Sequence[Story]) -> None:
    """Hold what each run had to tell of itself against the log's events of its task."""
    told: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for event in evidence.events:
        told[str(event.get("subject"))][str(event["type"])] += 1
    for story in instrumented:
        wanted = _wanted(story, evidence.struck)
        lacking = wanted - told[story.call.id]
        ids = [f"{kind} of call {story.call.id}" for kind in lacking.elements()]
        losses.add("the event log", ids, wanted.total())


def _wanted(story: Story, struck: Sequence[Struck]) -> Counter[str]:
    """Count the events that a call's runs had to make, by type."""
    wanted = Counter({LLM_CALL: story.stamped.total()})
    for run in story.runs:
        if run.state == SKIPPED or run.began is None or (run.state is not None and run.ended is None):
            continue
        if run.state is None:
            # nothing but a kill ends a run without a word; one that still goes has nothing to tell yet
            wanted[TASK_FAILED] += any(each.kind in KILLS and each.ended >= run.began for each in struck)
            continue
        wanted[TASK_FAILED] += run.state == FAILURE
        wanted[ATTEMPT_ENDED] += run.attempt != FIRST
    return wanted


def _into_a_sink(losses: Losses, evidence: Evidence, sink: str) -> None:
    """Name what a sink lacks of the types that it takes, beyond what waits or was given up.

    A message of RudderStack's own keeps its messageId there, which is the event's id and not the log's key.
    """
    there, types = set(evidence.stored[sink]), TAKEN.get(sink, TYPES)
    taken = [each for each in evidence.events if each["type"] in types]
    absent = [each for each in taken if not {str(each["key"]), str(each["id"])} & there]
    lost = max(0, len(absent) - sum(int(evidence.sinks[sink].get(name, 0)) for name in NOT_THERE))
    losses.add(sink, [f"{each['key']} ({each['type']})" for each in absent[:lost]], len(taken))


def _into_the_cost_table(losses: Losses, evidence: Evidence) -> None:
    """Each model call that the warehouse holds among all events has a row in its own table too."""
    there, rows = set(evidence.stored.get(WAREHOUSE, ())), {str(each["id"]) for each in evidence.costs}
    calls = [key for key in _of_type(evidence.events, LLM_CALL) if key in there]
    losses.add("the table of model calls", [key for key in calls if key not in rows], len(calls))


def _of_type(events: Sequence[Mapping[str, Any]], kind: str) -> Iterator[str]:
    return (str(each["key"]) for each in events if each["type"] == kind)
