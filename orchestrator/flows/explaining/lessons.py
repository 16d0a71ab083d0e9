"""What a postmortem says beside the figures: what worked, what was missing, what is left to do. From facts only."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from eventbus.wire import DEPENDENCY_CHANGED
from orchestrator.domain.dispatches import DispatchState
from orchestrator.domain.health import aged, present
from orchestrator.domain.incidents import ASKING
from orchestrator.flows.explaining.decided import maker
from orchestrator.flows.explaining.words import at, counted, cut, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from orchestrator.domain.dependencies import Dependency
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.postmortem import Postmortem
    from orchestrator.flows.explaining.known import Known

# Seconds in which nothing is recorded, from which on it is worth a line.
LONG_SILENCE: Final = 300
# What people and rules do, by the beginning of a step's name.
ACTS: Final = ("command.", "plan.", "incident.acknowledged", "alert.acknowledged", "dependency.held")


def worked(tx: LedgerTx, incident: Incident, found: Postmortem) -> Iterator[str]:
    """Say what brought tasks back: releases with their plans, and what the broker delivered again."""
    for release in tx.releases_of(incident.id):
        counts = tx.release_counts(release.id)
        if counts.successes:
            by = "a person's command" if release.command_id else maker(release.plan)
            first = f"{counts.first_successes:,} of {counted(counts.first_attempts, 'first attempt')} succeeded"
            yield f"{release.plan.name} by {by}: {first}, {counted(counts.successes, 'task')} came back by it"
    if found.failures.redelivered:
        yield f"{counted(found.failures.redelivered, 'failure')} recovered without a redrive, by the broker's delivery"


def gaps(tx: LedgerTx, incident: Incident, found: Postmortem) -> Iterator[str]:
    """Say what nobody recorded, how long nobody acted, and what stayed dead."""
    if found.detection.alerted_at is None:
        yield "no alert of it is recorded"
    if found.detection.acknowledged_at is None:
        yield "nobody acknowledged it"
    if found.owner is None:
        yield "nobody owned it"
    yield from _slow(found, tx.redriven_at(incident.id))
    yield from _left(found)
    yield from _unrecorded(found)
    yield from _of_health(tx, incident)


def _left(found: Postmortem) -> Iterator[str]:
    dead = found.failures.states.get("dead")
    if dead:
        yield f"{counted(dead, 'failure')} stayed dead"
    lost = sum(each.get("lost", 0) for each in found.tried.by_plan.values())
    if lost:
        yield f"{counted(lost, 'redrive')} without an outcome that anybody told"
    if found.tried.duplicates:
        yield f"{counted(found.tried.duplicates, 'run')} too many: tasks that ran again although they had succeeded"


def _unrecorded(found: Postmortem) -> Iterator[str]:
    if found.money is None:
        yield "what it cost is not recorded: no model call of its tasks is in the warehouse"
    elif found.money.unpriced:
        yield f"{found.money.unpriced:,} of {counted(found.money.calls, 'model call')} have no price"
    for step in found.timeline:
        if step.at is None and step.what != "task.published":
            yield f"nobody noted when this was: {step.what}"


def _of_health(tx: LedgerTx, incident: Incident) -> Iterator[str]:
    """Say of which part of an incident's time its dependency's health is not kept: only the present one is."""
    dependency = tx.dependency(incident.dependency) if incident.dependency else None
    if dependency and dependency.since and dependency.since > incident.opened_at:
        until = min(dependency.since, incident.closed_at or dependency.since)
        yield (
            f"how {cut(dependency.name, 100)} was before {at(until)} is not kept here, only since when it is as it is "
            f"now: the events {DEPENDENCY_CHANGED} in the warehouse have it"
        )


def _slow(found: Postmortem, redriven: Iterable[datetime]) -> Iterator[str]:
    opened, end = found.detection.opened_at, found.detection.closed_at or found.written_at
    acts = [each.at for each in found.timeline if each.at and each.at <= end and each.what.startswith(ACTS)]
    first = min(acts, default=None)
    if first is None:
        yield f"nothing and nobody acted on it for {span(found.seconds)}"
    elif (first - opened).total_seconds() >= LONG_SILENCE:
        yield f"nothing and nobody acted on it for the first {span((first - opened).total_seconds())}"
    told = {each.at for each in found.timeline if each.at} | set(redriven) | {end}
    times = sorted(each for each in told if opened <= each <= end)
    silence = max(pairwise(times), key=lambda pair: pair[1] - pair[0], default=None)
    if silence and (silence[1] - silence[0]).total_seconds() >= LONG_SILENCE:
        length = span((silence[1] - silence[0]).total_seconds())
        yield f"the longest time without a step or a redrive: {length}, from {at(silence[0])} to {at(silence[1])}"


def follow_ups(tx: LedgerTx, incident: Incident, found: Postmortem, known: Known) -> Iterator[str]:
    """Say what is left to do, each with the fact that says so, and the command where there is one."""
    states = found.failures.states
    for task, count in sorted(tx.tasks_waiting(incident.id).items()):
        fact = f"{count:,} of {cut(task, 100)} wait for a person, since the task is not declared idempotent"
        yield f"{fact}: redrive retry --incident {incident.id} --reason WHY, or declare it"
    if states.get("dead"):
        fact = f"{counted(states['dead'], 'failure')} listed as dead"
        yield f"{fact}: redrive retry --incident {incident.id} --reason WHY, or discard them"
    if incident.held_by and not incident.closed:
        yield f"it is held by {cut(incident.held_by, 100)}: redrive release --incident {incident.id} --reason WHY"
    yield from _unanswered(tx, incident)
    dependency = tx.dependency(incident.dependency) if incident.dependency else None
    if dependency and dependency.unwell and not _since_its_end(dependency, incident):
        why = present(aged(dependency, known.now, known.policies.of(dependency.name))).why
        yield f"{cut(dependency.name, 100)} is {dependency.health} still: {cut(why)}"
    if found.tried.duplicates:
        yield "look at what ran twice, and whether its task may: redrive failures list"
    if not incident.closed:
        yield f"it is not over at {at(known.now)}: {incident.state}"


def _since_its_end(dependency: Dependency, incident: Incident) -> bool:
    """Tell whether a dependency became as it is after the end of an incident: that is another one's matter."""
    return bool(incident.closed_at and dependency.since and dependency.since > incident.closed_at)


def _unanswered(tx: LedgerTx, incident: Incident) -> Iterator[str]:
    """Name each trigger that asked somebody to decide and had no answer, once, with what was said of it last."""
    found = [each for each in tx.dispatches_of(incident.id) if each.trigger in ASKING]
    for trigger, note in {each.trigger: each.note for each in found if each.state is DispatchState.NO_RULE}.items():
        yield f"trigger {trigger} had no answer ({cut(note or 'no rule')}): enable a rule for it, or write one"
