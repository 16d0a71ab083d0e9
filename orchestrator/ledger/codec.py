"""Between rows and values: plans, releases, incidents, failures and attempts, each read and written in one place."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestrator.domain.attempts import Attempt, AttemptState
from orchestrator.domain.dispatches import Dispatch, DispatchState
from orchestrator.domain.failures import Declaration, ExceptionFacts, Failure, FailureState, Kind, TaskMessage
from orchestrator.domain.incidents import Incident, IncidentState
from orchestrator.domain.ledger import StoredFailure
from orchestrator.domain.plan import Gate, Pace, Plan, PlanName, Route
from orchestrator.domain.release import Release, ReleaseState

if TYPE_CHECKING:
    from sqlalchemy import Row


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """Give a plan as JSON."""
    document = asdict(plan)
    document["gate"]["at"] = plan.gate.at.isoformat() if plan.gate.at else None
    return document


def plan_from_json(document: dict[str, Any]) -> Plan:
    """Read a plan back."""
    gate = dict(document["gate"])
    gate["at"] = datetime.fromisoformat(gate["at"]) if gate["at"] else None
    return Plan(
        name=PlanName(document["name"]),
        reason=document["reason"],
        route=Route(**document["route"]) if document["route"] else None,
        pace=Pace(**document["pace"]),
        gate=Gate(**gate),
        execution_id=document["execution_id"],
    )


def incident_row(incident: Incident) -> dict[str, Any]:
    """Give an incident as a row."""
    row = {name: getattr(incident, name) for name in Incident.__slots__}
    row["plan"] = plan_to_json(incident.plan) if incident.plan else None
    row["dependency_key"] = incident.dependency or ""
    return row | {"kind": str(incident.kind), "state": str(incident.state)}


def incident_value(row: Row[Any]) -> Incident:
    """Read an incident back."""
    values = {name: getattr(row, name) for name in Incident.__slots__}
    values |= {"kind": Kind(row.kind), "state": IncidentState(row.state)}
    return Incident(**values | {"plan": plan_from_json(row.plan) if row.plan else None})


def failure_row(failure: Failure) -> dict[str, Any]:
    """Give a failure as a row, its message's body as bytes of its own."""
    message = asdict(failure.message)
    body = message.pop("body")
    return {
        "id": failure.id,
        "task_id": failure.task_id,
        "task": failure.task,
        "retries": failure.retries,
        "attempt_id": failure.attempt_id,
        "exception": asdict(failure.exception),
        "message": message,
        "body": body,
        "declaration": asdict(failure.declaration),
        "occurred_at": failure.occurred_at,
        "event_id": failure.event_id,
        "worker": failure.worker,
    }


def failure_value(row: Row[Any]) -> StoredFailure:
    """Read a failure back."""
    facts = dict(row.exception)
    failure = Failure(
        id=row.id,
        task_id=row.task_id,
        task=row.task,
        retries=row.retries,
        attempt_id=row.attempt_id,
        exception=ExceptionFacts(**facts | {"chain": tuple(facts["chain"])}),
        message=TaskMessage(body=row.body, **row.message),
        declaration=Declaration(**row.declaration),
        occurred_at=row.occurred_at,
        event_id=row.event_id,
        worker=row.worker,
    )
    return StoredFailure(
        failure=failure,
        incident_id=row.incident_id,
        kind=Kind(row.kind),
        state=FailureState(row.state),
        idempotent=row.idempotent,
        attempts=row.attempts,
        command_release_id=row.command_release_id,
    )


def release_row(release: Release) -> dict[str, Any]:
    """Give a release as a row."""
    row = {name: getattr(release, name) for name in Release.__slots__}
    return row | {"plan": plan_to_json(release.plan), "state": str(release.state)}


def release_value(row: Row[Any]) -> Release:
    """Read a release back."""
    values = {name: getattr(row, name) for name in Release.__slots__}
    return Release(**values | {"plan": plan_from_json(row.plan), "state": ReleaseState(row.state)})


def attempt_row(attempt: Attempt) -> dict[str, Any]:
    """Give an attempt as a row."""
    row = {name: getattr(attempt, name) for name in Attempt.__slots__}
    return row | {"state": str(attempt.state)}


def attempt_value(row: Row[Any]) -> Attempt:
    """Read an attempt back."""
    values = {name: getattr(row, name) for name in Attempt.__slots__}
    return Attempt(**values | {"state": AttemptState(row.state)})


def dispatch_row(dispatch: Dispatch) -> dict[str, Any]:
    """Give a trigger as a row."""
    row = {name: getattr(dispatch, name) for name in Dispatch.__slots__}
    row |= {"rules": list(dispatch.rules), "execution_ids": list(dispatch.execution_ids)}
    return row | {"state": str(dispatch.state), "payload": dict(dispatch.payload)}


def dispatch_value(row: Row[Any]) -> Dispatch:
    """Read a trigger back."""
    values = {name: getattr(row, name) for name in Dispatch.__slots__}
    values |= {"rules": tuple(row.rules), "execution_ids": tuple(row.execution_ids)}
    return Dispatch(**values | {"state": DispatchState(row.state)})
