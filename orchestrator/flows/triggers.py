"""Putting a trigger on its way to StackStorm: a row of the ledger, written with the step that it tells of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchestrator.domain.dispatches import Dispatch, DispatchState
from orchestrator.domain.ids import derive
from orchestrator.domain.incidents import DECIDING, IncidentStep, Trigger, after, incident_payload
from orchestrator.domain.turns import MINUTE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.standing import Report


def queue_trigger(
    tx: LedgerTx, incident: Incident, trigger: Trigger, payload: Mapping[str, Any], now: datetime
) -> None:
    """Queue one trigger; the same step queued again makes no second one."""
    told = payload.get("release_id") or f"{incident.revision}/{incident.size}"
    tx.add_dispatch(_queued(incident, trigger, payload, now, told))


def _queued(incident: Incident, trigger: Trigger, payload: Mapping[str, Any], now: datetime, told: str) -> Dispatch:
    """Make a trigger to be sent; `told` is what tells it apart from others of its name and incident."""
    return Dispatch(
        id=derive("dispatch", incident.id, trigger, told),
        incident_id=incident.id,
        trigger=str(trigger),
        payload=payload,
        state=DispatchState.PENDING,
        next_at=now,
        created_at=now,
    )


def tell_failure(tx: LedgerTx, incident: Incident, report: Report, per_minute: int) -> None:
    """Tell users' own rules of one failure, of one signature at most `per_minute` in any minute; 0: of none.

    Nothing is decided by it, and no failure is told of later because there were too many.
    """
    if not per_minute or tx.failures_told(incident.signature, report.now - MINUTE, per_minute) >= per_minute:
        return
    told = incident_payload(incident, report.data) | {
        "kind": str(report.verdict.kind),
        "why": report.verdict.told,
        "captured": str(report.failure.captured),
        "idempotent": report.idempotent,
    }
    tx.add_dispatch(_queued(incident, Trigger.TASK_FAILED, told, report.now, report.failure.event_id))


def say_undecided(tx: LedgerTx, dispatch: Dispatch, note: str) -> None:
    """Tell on the incident why nobody has decided, as long as nobody has."""
    incident = tx.incident(dispatch.incident_id)
    if dispatch.trigger in DECIDING and incident and not incident.closed and incident.plan is None:
        tx.save_incident(replace(incident, state=after(incident.state, IncidentStep.WAIT), note=note))


def withdraw_built_in(tx: LedgerTx, dispatch: Dispatch) -> None:
    """Take the built-in plan back: StackStorm answers again, and its rules did not decide for that."""
    incident = tx.incident(dispatch.incident_id)
    if dispatch.trigger in DECIDING and incident and not incident.closed and incident.plan and incident.plan.built_in:
        tx.save_incident(replace(incident, plan=None, state=after(incident.state, IncidentStep.ASK), note=None))


def sent_again(dispatch: Dispatch, next_at: datetime, now: datetime) -> Dispatch:
    """Make the dispatch that follows one that brought no plan, with the same payload."""
    return Dispatch(
        id=derive("dispatch", dispatch.id, "again"),
        incident_id=dispatch.incident_id,
        trigger=dispatch.trigger,
        payload=dispatch.payload,
        state=DispatchState.PENDING,
        next_at=next_at,
        created_at=now,
    )
