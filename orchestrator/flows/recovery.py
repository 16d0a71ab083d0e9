"""Recovery: an instruction becomes the incident's plan; a person's command becomes a release of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.domain.commands import RetryCommand
from orchestrator.domain.errors import Conflict, NotFound
from orchestrator.domain.failures import FailureState
from orchestrator.domain.ids import derive
from orchestrator.domain.incidents import CLOSED, Incident, IncidentStep, after
from orchestrator.domain.plan import Gate, Plan, PlanName, check
from orchestrator.domain.release import ENDED, Release, ReleaseState
from orchestrator.flows.announcing import command_recorded, incident_planned
from orchestrator.flows.gates import first_gate

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.ledger import LedgerTx, StoredFailure

# A person who asks for a retry wants it now; the gate only spaces further tries.
BY_HAND = Gate(first_after=1, factor=2, max_distance=300, max_tries=10)
# A task that may not run twice runs once for each command.
ONCE = replace(BY_HAND, max_tries=1)


def accept_plan(tx: LedgerTx, incident_id: UUID, plan: Plan, revision: int, now: datetime) -> Incident:
    """Make a plan the incident's own.

    Raises NotFound; InvalidPlan for one that cannot be carried out; Conflict for one that was decided on an older
    revision. The same execution giving its plan again changes nothing.
    """
    incident = tx.incident(incident_id)
    if incident is None:
        raise NotFound("incident", str(incident_id))
    if _repeated(incident, plan):
        return incident
    _refuse_stale(incident, revision)
    check(plan)
    first_gate(plan, now)
    planned = _planned(incident, plan)
    tx.save_incident(planned)
    tx.emit(incident_planned(planned, now))
    return planned


def _repeated(incident: Incident, plan: Plan) -> bool:
    return plan.execution_id is not None and incident.plan == plan


def _refuse_stale(incident: Incident, revision: int) -> None:
    if incident.state in CLOSED:
        raise Conflict(
            f"expected an incident that is open, got one that is {incident.state}; nothing is left to decide"
        )
    if revision != incident.revision:
        raise Conflict(
            f"expected a plan decided on revision {incident.revision}, got one decided on {revision}; "
            "read the incident again"
        )


def _planned(incident: Incident, plan: Plan) -> Incident:
    step, note = _next(incident, plan)
    state = after(incident.state, step)
    return replace(incident, plan=plan, state=state, note=note, revision=incident.revision + 1)


def _next(incident: Incident, plan: Plan) -> tuple[IncidentStep, str | None]:
    if not plan.redrives:
        return IncidentStep.WAIT, f"plan {plan.name}: {plan.reason}; waits for a person"
    if not incident.idempotent:
        return IncidentStep.WAIT, (
            f"task {incident.task} is not declared idempotent, so it is not run again by itself; release it by hand "
            f"(POST /recovery/retry), or declare it: @app.task(redrive={{'idempotent': True}})"
        )
    return IncidentStep.PLAN, None


@dataclass(frozen=True, slots=True)
class RetryRequest:
    """What a person asks for: one failure (or the newest one of a task), redriven, and why."""

    actor: str
    reason: str
    failure_id: UUID | None = None
    task_id: str | None = None


def command_retry(tx: LedgerTx, request: RetryRequest, command_id: UUID, now: datetime) -> RetryCommand:
    """Record a person's command and open its release: no execution is needed for it, so it works with StackStorm down.

    Raises NotFound, and Conflict for a failure that is not held.
    """
    stored = _asked_for(tx, request)
    _refuse_unmovable(tx, stored)
    command = RetryCommand(
        id=command_id,
        actor=request.actor,
        failure_id=stored.failure.id,
        incident_id=stored.incident_id,
        release_id=derive("release", command_id),
        reason=request.reason,
        created_at=now,
    )
    gate = BY_HAND if stored.idempotent else ONCE
    plan = Plan(PlanName.RETRY, f"{request.actor}: {request.reason}", gate=gate)
    tx.add_release(_release(command.release_id, stored.incident_id, plan, now, command_id))
    tx.set_failure_state([stored.failure.id], FailureState.HELD)
    tx.claim([stored.failure.id], command.release_id)
    tx.add_command(command)
    tx.emit(command_recorded(command, now))
    return command


def _asked_for(tx: LedgerTx, request: RetryRequest) -> StoredFailure:
    if request.failure_id is not None:
        stored = tx.failure(request.failure_id)
        key = str(request.failure_id)
    else:
        stored = tx.failure_of_task(request.task_id or "")
        key = str(request.task_id)
    if stored is None:
        raise NotFound("failure", key)
    return stored


def _refuse_unmovable(tx: LedgerTx, stored: StoredFailure) -> None:
    if stored.state not in (FailureState.HELD, FailureState.DEAD):
        raise Conflict(f"expected a failure that is held or dead, got one that is {stored.state}; see its attempts")
    if stored.command_release_id is None:
        return
    release = tx.release(stored.command_release_id)
    if release and release.state not in ENDED:
        raise Conflict(f"expected a failure that nobody has asked for yet, got one that release {release.id} holds")


def open_releases(tx: LedgerTx, now: datetime) -> None:
    """Give every planned incident that has failures to move, and no release to move them, one that does."""
    for incident in tx.without_release():
        if incident.plan is not None:
            ordinal = len(tx.releases_of(incident.id))
            release_id = derive("release", incident.id, incident.revision, ordinal)
            tx.add_release(_release(release_id, incident.id, incident.plan, now, None))


def _release(release_id: UUID, incident_id: UUID, plan: Plan, now: datetime, command_id: UUID | None) -> Release:
    return Release(
        id=release_id,
        incident_id=incident_id,
        plan=plan,
        state=ReleaseState.HOLDING,
        gate_at=now if command_id else first_gate(plan, now),
        command_id=command_id,
        started_at=now,
    )
