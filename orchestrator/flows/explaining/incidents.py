"""The story of one incident: its first failure, what was asked and decided, its releases, who did what, its end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from orchestrator.domain.attempts import AttemptState
from orchestrator.domain.story import Step, Story, in_order
from orchestrator.flows.explaining.around import steps_around
from orchestrator.flows.explaining.decided import steps_of_decision, steps_of_release
from orchestrator.flows.explaining.recoveries import commanded
from orchestrator.flows.explaining.standing import now_of_incident
from orchestrator.flows.explaining.words import WAYS, counted, cut, rule_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.flows.explaining.known import Known

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


def story_of_incident(tx: LedgerTx, incident: Incident, known: Known) -> Story:
    """Tell the story of an incident; its failures are told in numbers, and the first of them and of its redrives."""
    return Story(
        about="incident",
        id=str(incident.id),
        title=incident.signature,
        steps=timeline(tx, incident),
        now=now_of_incident(tx, incident, known),
        gone=tuple(_gone(tx, incident)),
    )


def timeline(tx: LedgerTx, incident: Incident) -> tuple[Step, ...]:
    """Tell all that happened to an incident, in its order."""
    steps = [*_begun(tx, incident), *steps_of_decision(tx, incident), *steps_around(tx, incident)]
    releases = tx.releases_of(incident.id)
    steps += commanded(tx, incident, tx.commands_of(incident.id), releases)
    steps += [step for each in releases for step in steps_of_release(tx, each)]
    return in_order([*steps, *_redriven(tx, incident), *_closed(tx, incident)])


def _begun(tx: LedgerTx, incident: Incident) -> Iterator[Step]:
    first = tx.failure(incident.first_failure_id)
    if first:
        facts = first.failure.exception
        told = f"{WAYS[first.failure.captured]}; {facts.type}: {cut(facts.message, 200)}"
        text = f"first failure: {first.failure.task} ({first.failure.task_id}): {told}"
        yield Step(first.failure.occurred_at, "failure.first", text, by=first.failure.worker or None)
    leans = f"; it leans on {incident.dependency}" if incident.dependency else ""
    why, rule = rule_of(incident.why)
    text = f"opened as {incident.kind}: {cut(why)}{leans}"
    yield Step(incident.opened_at, "incident.opened", text, rule=rule)


def _redriven(tx: LedgerTx, incident: Incident) -> Iterator[Step]:
    """Tell of the first redrive, which was a canary."""
    for first in tx.attempts_recorded(incident.id, BEGINNING, 1):
        text = f"first redrive ({first.plan}), of task {first.task_id}"
        went = f"; {first.decision.note}" if first.decision else ""
        yield Step(first.recorded_at, "attempt.recorded", f"{text}{went}", execution_id=first.execution_id)
        if first.ended_at:
            how = "succeeded" if first.state is AttemptState.SUCCEEDED else f"{first.state}"
            because = f": {cut(first.reason)}" if first.reason else ""
            yield Step(first.ended_at, "attempt.ended", f"the first redrive {how}{because}")


def _closed(tx: LedgerTx, incident: Incident) -> Iterator[Step]:
    if incident.closed_at:
        note = f": {cut(incident.note)}" if incident.note else ""
        states = {str(state): count for state, count in tx.states_of(incident.id).items()}
        told = ", ".join(f"{count:,} {state}" for state, count in sorted(states.items()))
        yield Step(
            incident.closed_at, "incident.closed", f"closed as {incident.state}{note}; {told or 'no failure left'}"
        )


def _gone(tx: LedgerTx, incident: Incident) -> Iterator[str]:
    here = sum(tx.states_of(incident.id).values())
    if incident.closed and here < incident.size:
        missing = counted(incident.size - here, "failure")
        yield f"{missing} of {incident.size:,} not recorded any more: taken by retention, or opened again elsewhere"
    if tx.failure(incident.first_failure_id) is None:
        yield "its first failure is not recorded any more"
