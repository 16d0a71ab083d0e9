"""Incidents, their failures and releases, and the instructions of workflows."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from orchestrator.api.paging import link_next
from orchestrator.api.problems import CursorUnknown
from orchestrator.api.schemas import IncidentHoldBody, PlanBody
from orchestrator.api.views import decision_view, failure_view, incident_view, incident_whole, release_view
from orchestrator.domain.errors import NotFound
from orchestrator.domain.incidents import IncidentState
from orchestrator.flows.holding import HoldRequest, expected_incident, hold_incident
from orchestrator.flows.obstacles import obstacles
from orchestrator.flows.recovery import accept_plan

if TYPE_CHECKING:
    from orchestrator.api.needs import Api
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.standing import StoredFailure

MOST = 1_000
router = APIRouter(prefix="/api/v1", tags=["incidents"])
Limit = Annotated[int, Query(ge=1, le=MOST)]


@router.get("/incidents")
def list_incidents(
    request: Request,
    response: Response,
    state: Annotated[list[IncidentState] | None, Query()] = None,
    limit: Limit = 100,
    cursor: UUID | None = None,
) -> dict[str, Any]:
    """List incidents, newest first."""
    api: Api = request.app.state.api
    with api.ledger.reading() as tx:
        if cursor and tx.incident(cursor) is None:
            raise CursorUnknown(str(cursor))
        found = tx.incidents(state or [], limit, cursor)
    link_next(request, response, limit, [each.id for each in found])
    return {"incidents": [incident_view(each) for each in found]}


@router.get("/incidents/{incident_id}")
def read_incident(incident_id: UUID, request: Request) -> dict[str, Any]:
    """Show an incident: plan, note, triggers with their rules and executions, releases with their counts."""
    api: Api = request.app.state.api
    with api.ledger.reading() as tx:
        incident = tx.incident(incident_id)
        if incident is None:
            raise NotFound("incident", str(incident_id))
        return incident_whole(tx, incident) | {"waits_for": obstacles(tx, incident, api.policies, api.clock())}


@router.get("/incidents/{incident_id}/failures")
def list_failures(
    incident_id: UUID, request: Request, response: Response, limit: Limit = 100, cursor: UUID | None = None
) -> dict[str, Any]:
    """List the failures of an incident, oldest first, each with its attempts."""
    api: Api = request.app.state.api
    with api.ledger.reading() as tx:
        if tx.incident(incident_id) is None:
            raise NotFound("incident", str(incident_id))
        if cursor and tx.failure(cursor) is None:
            raise CursorUnknown(str(cursor))
        found = tx.failures_of(incident_id, limit, cursor)
        decision = decision_view(tx, incident_id)
        shown = [_shown(api, tx, each) | decision for each in found]
    link_next(request, response, limit, [each.failure.id for each in found])
    return {"failures": shown}


@router.post("/incidents/{incident_id}/plan", status_code=HTTPStatus.ACCEPTED)
def instruct(incident_id: UUID, body: PlanBody, request: Request) -> dict[str, Any]:
    """Take the instruction of a workflow; 409 when it was decided on an older revision."""
    api: Api = request.app.state.api
    with api.ledger.transaction() as tx:
        actor = request.state.actor
        incident = accept_plan(tx, incident_id, body.value(), body.revision, api.clock(), actor=actor)
    return {"incident_id": incident.id, "revision": incident.revision, "state": incident.state}


@router.post("/incidents/{incident_id}/hold")
def hold(incident_id: UUID, body: IncidentHoldBody, request: Request) -> dict[str, Any]:
    """Hold all redrives of one incident until a person releases it; what is forced goes all the same."""
    return _commanded(incident_id, body, request, lift=False)


@router.post("/incidents/{incident_id}/release")
def release(incident_id: UUID, body: IncidentHoldBody, request: Request) -> dict[str, Any]:
    """Lift the hold of an incident."""
    return _commanded(incident_id, body, request, lift=True)


def _commanded(incident_id: UUID, body: IncidentHoldBody, request: Request, *, lift: bool) -> dict[str, Any]:
    api: Api = request.app.state.api
    asked = HoldRequest(api.new_id(), request.state.actor, body.reason, api.clock(), lift, body.revision)
    if body.dry_run:
        with api.ledger.reading() as tx:
            expected_incident(tx, incident_id, asked)
        return {"dry_run": True, "command": asked.kind, **read_incident(incident_id, request)}
    with api.ledger.transaction() as tx:
        return asdict(hold_incident(tx, incident_id, asked))


def _shown(api: Api, tx: LedgerTx, stored: StoredFailure) -> dict[str, Any]:
    return failure_view(stored, tx.attempts_of(stored.failure.id), api.clock(), keys_known=api.keys_known)


@router.get("/failures/{failure_id}")
def read_failure(failure_id: UUID, request: Request) -> dict[str, Any]:
    """Show a failure with its attempts, and what was decided for it: plan, execution, triggers with their rules."""
    api: Api = request.app.state.api
    with api.ledger.reading() as tx:
        stored = tx.failure(failure_id)
        if stored is None:
            raise NotFound("failure", str(failure_id))
        return _shown(api, tx, stored) | decision_view(tx, stored.incident_id)


@router.get("/releases/{release_id}")
def read_release(release_id: UUID, request: Request) -> dict[str, Any]:
    """Show a release with its counts."""
    api: Api = request.app.state.api
    with api.ledger.reading() as tx:
        release = tx.release(release_id)
        if release is None:
            raise NotFound("release", str(release_id))
        return release_view(tx, release)
