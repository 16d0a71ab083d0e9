"""Incidents, their failures and releases, and the instructions of workflows."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from orchestrator.api.problems import CursorUnknown
from orchestrator.api.schemas import PlanBody
from orchestrator.api.views import failure_view, incident_view, incident_whole, release_view
from orchestrator.domain.errors import NotFound
from orchestrator.domain.incidents import IncidentState
from orchestrator.flows.recovery import accept_plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.api.needs import Api

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
    with api.ledger.transaction() as tx:
        if cursor and tx.incident(cursor) is None:
            raise CursorUnknown(str(cursor))
        found = tx.incidents(state or [], limit, cursor)
    _link_next(request, response, limit, [each.id for each in found])
    return {"incidents": [incident_view(each) for each in found]}


def _link_next(request: Request, response: Response, limit: int, found: Sequence[UUID]) -> None:
    if len(found) == limit:
        following = request.url.include_query_params(cursor=str(found[-1]))
        response.headers["Link"] = f'<{following}>; rel="next"'


@router.get("/incidents/{incident_id}")
def read_incident(incident_id: UUID, request: Request) -> dict[str, Any]:
    """Show an incident: plan, note, triggers with their rules and executions, releases with their counts."""
    api: Api = request.app.state.api
    with api.ledger.transaction() as tx:
        incident = tx.incident(incident_id)
        if incident is None:
            raise NotFound("incident", str(incident_id))
        return incident_whole(tx, incident)


@router.get("/incidents/{incident_id}/failures")
def list_failures(
    incident_id: UUID, request: Request, response: Response, limit: Limit = 100, cursor: UUID | None = None
) -> dict[str, Any]:
    """List the failures of an incident, oldest first, each with its attempts."""
    api: Api = request.app.state.api
    with api.ledger.transaction() as tx:
        if tx.incident(incident_id) is None:
            raise NotFound("incident", str(incident_id))
        if cursor and tx.failure(cursor) is None:
            raise CursorUnknown(str(cursor))
        found = tx.failures_of(incident_id, limit, cursor)
        shown = [failure_view(each, tx.attempts_of(each.failure.id)) for each in found]
    _link_next(request, response, limit, [each.failure.id for each in found])
    return {"failures": shown}


@router.post("/incidents/{incident_id}/plan", status_code=HTTPStatus.ACCEPTED)
def instruct(incident_id: UUID, body: PlanBody, request: Request) -> dict[str, Any]:
    """Take the instruction of a workflow; 409 when it was decided on an older revision."""
    api: Api = request.app.state.api
    with api.ledger.transaction() as tx:
        incident = accept_plan(tx, incident_id, body.value(), body.revision, api.clock())
    return {"incident_id": incident.id, "revision": incident.revision, "state": incident.state}


@router.get("/failures/{failure_id}")
def read_failure(failure_id: UUID, request: Request) -> dict[str, Any]:
    """Show a failure with its attempts."""
    api: Api = request.app.state.api
    with api.ledger.transaction() as tx:
        stored = tx.failure(failure_id)
        if stored is None:
            raise NotFound("failure", str(failure_id))
        return failure_view(stored, tx.attempts_of(failure_id))


@router.get("/releases/{release_id}")
def read_release(release_id: UUID, request: Request) -> dict[str, Any]:
    """Show a release with its counts."""
    api: Api = request.app.state.api
    with api.ledger.transaction() as tx:
        release = tx.release(release_id)
        if release is None:
            raise NotFound("release", str(release_id))
        return release_view(tx, release)
