"""Joining: a failure finds its incident, or opens one; rules are told once there is something to decide."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from orchestrator.domain.failures import FailureState, Kind
from orchestrator.domain.ids import derive
from orchestrator.domain.incidents import (
    ANSWER_HOLDS,
    BY_TURNS,
    DECIDING,
    SOME_WAIT,
    Incident,
    IncidentState,
    IncidentStep,
    Trigger,
    after,
    grew_to,
    incident_payload,
    prevailing,
    worth_a_look,
)
from orchestrator.domain.signature import look_of
from orchestrator.flows.announcing import incident_closed, incident_opened
from orchestrator.flows.outcomes import close_if_recovered
from orchestrator.flows.reading import first_failure
from orchestrator.flows.triggers import queue_trigger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any
    from uuid import UUID

    from orchestrator.domain.classify import Verdict
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.standing import Report, StoredFailure

PENDING_NOTE = (
    "the broker still holds the message and will deliver it again; nothing is redriven before that run has failed"
)


def find_incident(tx: LedgerTx, report: Report) -> Incident:
    """Give the incident that takes a failure in, grown by it; a new one where none is open."""
    failure = report.failure
    looks_like = look_of(failure.task, failure.exception)
    incident = tx.open_incident(looks_like, failure.declaration.dependency)
    if incident:
        grown = _grown(incident, report)
        tx.save_incident(grown)
        return grown
    # A failure may open an incident more than once, by one report each time.
    opened = _opened(report, looks_like, derive("incident", failure.id, failure.event_id))
    tx.add_incident(opened)
    tx.emit(incident_opened(opened, report.now))
    return opened


def _grown(incident: Incident, report: Report) -> Incident:
    """Take one more in. Of an incident that waits because no task of it may run twice, the plan holds for one that may;
    one that may not waits for a person, and the incident says so.
    """
    grown = replace(incident, size=incident.size + 1, idempotent=incident.idempotent or report.idempotent)
    plan = incident.plan
    if plan is None or not plan.redrives:
        return grown
    if report.idempotent and not incident.idempotent:
        return replace(grown, state=after(grown.state, IncidentStep.PLAN), note=SOME_WAIT)
    if not report.idempotent and incident.state is IncidentState.PLANNED:
        return replace(grown, note=SOME_WAIT)
    return grown


def _opened(report: Report, looks_like: str, incident_id: UUID) -> Incident:
    failure = report.failure
    return Incident(
        id=incident_id,
        signature=looks_like,
        dependency=failure.declaration.dependency,
        task=failure.task,
        kind=report.verdict.kind,
        why=report.verdict.told,
        state=IncidentState.OPEN,
        revision=1,
        size=1,
        idempotent=report.idempotent,
        opened_at=report.now,
        first_failure_id=failure.id,
        captured=failure.captured,
        traceparent=failure.traceparent,
    )


def joined(tx: LedgerTx, incident: Incident, stored: StoredFailure, report: Report) -> None:
    """Do what a failure that was just stored brings for its incident: tell the rules, note what it waits for, close."""
    if stored.kind is not incident.kind and worth_a_look(incident.size):
        incident = reclassify(tx, incident, report.verdict, report.now)
    if stored.state is FailureState.RECOVERED:
        close_if_recovered(tx, incident.id, report.now)
    elif stored.state is FailureState.REDELIVERY_PENDING:
        if incident.told_at is None:
            tx.save_incident(replace(incident, note=PENDING_NOTE))
    elif incident.told_at is None:
        first = report.data if incident.first_failure_id == stored.failure.id else first_failure(tx, incident)
        tell_opened(tx, incident, first, report.now)
    elif _only_dead_before(tx, incident, stored):
        tell_opened(tx, _begun_anew(incident), report.data, report.now)
    else:
        _tell_grown(tx, incident, report.now)


def _only_dead_before(tx: LedgerTx, incident: Incident, stored: StoredFailure) -> bool:
    """Tell whether all that an incident held before this failure was given up: what was decided then is over."""
    return incident.state is IncidentState.WAITING and not tx.any_open(incident.id, stored.failure.id)


def _begun_anew(incident: Incident) -> Incident:
    state = after(incident.state, IncidentStep.ASK)
    asked = replace(incident, state=state, plan=None, note=None, told_at=None)
    return asked.asked_anew()


def tell_opened(tx: LedgerTx, incident: Incident, first: Mapping[str, Any], now: datetime) -> None:
    """Tell the rules of an incident that has something to decide on; once. `first` is its first failure's event."""
    if incident.told_at is None and not incident.closed:
        told = replace(incident, told_at=now, note=None)
        tx.save_incident(told)
        queue_trigger(tx, told, Trigger.INCIDENT_OPENED, incident_payload(told, first), now)


def _tell_grown(tx: LedgerTx, incident: Incident, now: datetime) -> None:
    # A plan that stands moves newcomers by itself; only an incident that waits could get another answer for its size.
    if incident.state is IncidentState.WAITING and grew_to(incident.size):
        payload = incident_payload(incident, first_failure(tx, incident))
        queue_trigger(tx, incident, Trigger.INCIDENT_GREW, payload, now)


def reclassify(tx: LedgerTx, incident: Incident, verdict: Verdict, now: datetime) -> Incident:
    """Give an incident the kind that most of what it has left to move is, and ask the rules again.

    Rules decide by the kind, so that a plan decided on another one does not stand. Where nothing is left to move, and
    before the rules were told at all, there is nothing to ask. Of kinds that one outage shows by turns rules are asked
    once each within ANSWER_HOLDS; what they answered last stands until then. One whose
    dependency went down stays so: it goes up and down with it.
    """
    kind = prevailing(tx.kinds_open(incident.id), incident.kind)
    if incident.closed or kind is incident.kind or (incident.kind, kind) == BACK_AGAIN:
        return incident
    if {kind, incident.kind} <= BY_TURNS and _asked(tx, incident, kind, now):
        turned = replace(incident, kind=kind, why=_why(kind, verdict))
        tx.save_incident(turned)
        return turned
    changed = _reclassified(tx, incident, kind, verdict)
    tx.save_incident(changed)
    if changed.told_at is not None:
        payload = incident_payload(changed, first_failure(tx, changed))
        queue_trigger(tx, changed, Trigger.INCIDENT_RECLASSIFIED, payload, now)
    return changed


def _asked(tx: LedgerTx, incident: Incident, kind: Kind, now: datetime) -> bool:
    """Tell whether rules have been asked about an incident as this kind, of late."""
    asked = (each for each in tx.dispatches_of(incident.id) if each.trigger in DECIDING)
    return any(each.payload.get("kind") == str(kind) and now - each.created_at < ANSWER_HOLDS for each in asked)


def _why(kind: Kind, verdict: Verdict) -> str:
    return verdict.told if verdict.kind is kind else f"most of its failures are {kind} now"


BACK_AGAIN: Final = (Kind.DEPENDENCY_DOWN, Kind.TRANSIENT)
# The plan stands until the rules have decided anew: the gate of the dependency holds it back as it is.
WENT_DOWN: Final = (Kind.TRANSIENT, Kind.DEPENDENCY_DOWN)


def _reclassified(tx: LedgerTx, incident: Incident, kind: Kind, verdict: Verdict) -> Incident:
    why = _why(kind, verdict)
    first = tx.failure(incident.first_failure_id)
    stands = (incident.kind, kind) == WENT_DOWN and incident.plan is not None
    return replace(
        incident.asked_anew(),
        kind=kind,
        why=why,
        captured=first.failure.captured if first else incident.captured,
        state=incident.state if stands else after(incident.state, IncidentStep.ASK),
        plan=incident.plan if stands else None,
        note=f"the kind was {incident.kind}, and is {kind} by what was learnt since: {why}",
    )


def leave(tx: LedgerTx, incident_id: UUID, now: datetime) -> None:
    """Let a failure out of an incident to which it does not belong; an incident of which nothing is left is closed."""
    incident = tx.incident(incident_id)
    if incident is None or incident.closed:
        return
    smaller = _first_of_its_own(tx, replace(incident, size=incident.size - 1))
    if smaller.size > 0:
        tx.save_incident(smaller)
        close_if_recovered(tx, incident_id, now)
        return
    state = after(smaller.state, IncidentStep.RECOVER)
    note = "what it held has failed in another way since, and belongs to another incident"
    closed = replace(smaller, state=state, closed_at=now, note=note)
    tx.save_incident(closed)
    tx.emit(incident_closed(closed, now))


def left_by(tx: LedgerTx, incident_id: UUID) -> None:
    """Have an open incident told of by a failure of its own, after one has left that was counted there once."""
    incident = tx.incident(incident_id)
    if incident is not None and not incident.closed:
        tx.save_incident(_first_of_its_own(tx, incident))


def _first_of_its_own(tx: LedgerTx, incident: Incident) -> Incident:
    """Have an incident told of by a failure that is its own: the oldest that it has left, where the first one left."""
    first = tx.failure(incident.first_failure_id)
    if first is not None and first.incident_id == incident.id:
        return incident
    oldest = next(iter(tx.failures_of(incident.id, 1)), None)
    return replace(incident, first_failure_id=oldest.failure.id) if oldest else incident
