"""Recovery: an instruction becomes the incident's plan, and a planned incident gets a release that moves its failures.

What a person asks for is in flows/bulk.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.domain.auditing import REDRIVE
from orchestrator.domain.errors import Conflict, NotFound
from orchestrator.domain.ids import derive
from orchestrator.domain.incidents import CLOSED, SOME_WAIT, Incident, IncidentStep, after
from orchestrator.domain.plan import Plan, check
from orchestrator.domain.release import Release, ReleaseState
from orchestrator.flows.announcing import incident_planned
from orchestrator.flows.auditing import plan_accepted
from orchestrator.flows.gates import check_times, first_gate

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.ledger import LedgerTx


def accept_plan(  # noqa: PLR0913 - what is decided, on what, when, and who brought it, by keyword
    tx: LedgerTx, incident_id: UUID, plan: Plan, revision: int, now: datetime, *, actor: str = REDRIVE
) -> Incident:
    """Make a plan the incident's own; `actor` brought it here.

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
    check_times(plan, now)
    planned = _planned(incident, plan, some_wait=bool(tx.not_idempotent(incident_id)))
    tx.save_incident(planned)
    tx.audit(plan_accepted(tx, incident, planned, actor, now))
    tx.emit(incident_planned(planned, now))
    return planned


def _repeated(incident: Incident, plan: Plan) -> bool:
    return plan.execution_id is not None and incident.plan == plan


def _refuse_stale(incident: Incident, revision: int) -> None:
    if incident.state in CLOSED:
        raise Conflict(
            f"expected an incident that is open, got one that is {incident.state}; nothing is left to decide"
        )
    if not incident.asked_on <= revision <= incident.revision:
        since = "" if incident.asked_on == incident.revision else f" (or since {incident.asked_on})"
        raise Conflict(
            f"expected a plan decided on revision {incident.revision}{since}, got one decided on {revision}; "
            "read the incident again"
        )


def _planned(incident: Incident, plan: Plan, *, some_wait: bool) -> Incident:
    step, note = _next(incident, plan)
    if step is IncidentStep.PLAN and some_wait:
        note = SOME_WAIT
    if plan.built_in:
        note = plan.reason
    state = after(incident.state, step)
    # The built-in plan decides nothing: whatever the rules were asked on this revision may still be answered.
    answered = incident if plan.built_in else incident.asked_anew()
    return replace(answered, plan=plan, state=state, note=note)


def _next(incident: Incident, plan: Plan) -> tuple[IncidentStep, str | None]:
    if not plan.redrives:
        return IncidentStep.WAIT, f"plan {plan.name}: {plan.reason}; waits for a person"
    if not incident.idempotent:
        return IncidentStep.WAIT, (
            f"task {incident.task} is not declared idempotent, so it is not run again by itself; release it by hand "
            f"(POST /recovery/retry), or declare it: @app.task(redrive={{'idempotent': True}})"
        )
    return IncidentStep.PLAN, None


def open_releases(tx: LedgerTx, now: datetime) -> None:
    """Give every planned incident that has failures to move, and no release to move them, one that does."""
    for incident in tx.without_release():
        if incident.plan is not None:
            ordinal = len(tx.releases_of(incident.id))
            release_id = derive("release", incident.id, incident.revision, ordinal)
            opened = Release(
                id=release_id,
                incident_id=incident.id,
                plan=incident.plan,
                state=ReleaseState.HOLDING,
                gate_at=first_gate(incident.plan, now),
                started_at=now,
            )
            tx.add_release(opened)
