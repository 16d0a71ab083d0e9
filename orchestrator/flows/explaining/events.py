"""The story of one event: sent, accepted, what each sink made of it, and what it tells of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from orchestrator.domain.replays import Standing
from orchestrator.domain.story import Now, Step, Story, in_order
from orchestrator.flows.explaining.words import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from orchestrator.domain.events import StoredEvent
    from orchestrator.flows.desk import Fate

# What an event may tell of, by the members of its data, the nearest first.
ABOUT: Final = ("failure_id", "attempt_id", "incident_id", "recovery_id", "release_id", "command_id", "task_id")


def story_of_event(event: StoredEvent, fates: Sequence[Fate], look_up: Callable[[str], Story | None]) -> Story:
    """Tell what became of an event; `look_up` gives the story of what it names, None where nobody knows of that."""
    named = told_of(event)
    of = next((found for found in map(look_up, named) if found), None)
    record = event.record
    steps = [
        Step(record.time, "event.told", f"{record.type} told by {cut(record.source)}", by=record.source),
        Step(event.accepted_at, "event.accepted", f"accepted as number {event.seq} of the log, lane {record.lane}"),
        *(step for fate in fates for step in _of_fate(fate)),
    ]
    title = f"{record.type}: {of.title}" if of else record.type
    return Story("event", record.id, title, (*in_order(steps), *(of.steps if of else ())), _now(fates, event, of))


def told_of(event: StoredEvent) -> list[str]:
    """List the ids in an event's data that may be known here."""
    try:
        document: Any = orjson.loads(event.record.body)
    except ValueError:
        return []
    data = document.get("data") if isinstance(document, dict) else None
    found = [data.get(name) for name in ABOUT] if isinstance(data, dict) else []
    return [each for each in found if isinstance(each, str)]


def _of_fate(fate: Fate) -> Iterator[Step]:
    for answer in fate.answers:
        detail = f": {cut(answer.detail)}" if answer.detail else ""
        yield Step(answer.at, "event.answered", f"{fate.sink} answered {answer.outcome}{detail}", by=fate.sink)
    if fate.letter:
        dead = fate.letter.dead
        text = f"{fate.sink} refused it for good: {cut(dead.refusal.reason)}"
        yield Step(dead.at, "event.refused", text, by=fate.sink)
        gone = fate.letter.discarded
        if gone:
            yield Step(gone.at, "event.discarded", f"given up by {gone.actor}: {cut(gone.reason)}", by=gone.actor)
    for item, replay in fate.sent_again:
        by = f" by {replay.actor}: {cut(replay.reason)}" if replay else ""
        yield Step(item.at, "event.replayed", f"sent again to {fate.sink}{by}; {item.state}")


def _now(fates: Sequence[Fate], event: StoredEvent, of: Story | None) -> Now:
    dead = [fate.sink for fate in fates if fate.standing is Standing.DEAD]
    pending = [fate.sink for fate in fates if fate.standing is Standing.PENDING]
    state = ", ".join(f"{fate.sink} {fate.standing}" for fate in fates) or "no sink is set up"
    if dead:
        command = f"redrive events replay {event.record.key} --reason WHY"
        return Now(
            state, f"{', '.join(dead)} refused it for good: mend what it names and send it again", command=command
        )
    if pending:
        return Now(
            state, "it goes by itself", tuple(f"its turn at {sink}" for sink in pending), command="redrive sinks list"
        )
    if of:
        return of.now
    return Now(state, "nothing is left to do")
