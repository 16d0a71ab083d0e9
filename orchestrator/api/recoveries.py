"""Recoveries under way: how they go, and a person's word that one is to rest, to go on or to end."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request, Response

from orchestrator.api.paging import link_next
from orchestrator.api.problems import CursorUnknown
from orchestrator.api.recovery_bodies import SteerBody
from orchestrator.api.recovery_views import recovery_view, recovery_whole
from orchestrator.domain.commands import CommandKind
from orchestrator.domain.errors import NotFound
from orchestrator.domain.recoveries import RecoveryState
from orchestrator.flows.bulk.steering import Steering, steer

if TYPE_CHECKING:
    from orchestrator.api.needs import Api

MOST = 100
router = APIRouter(prefix="/api/v1/recovery/retries", tags=["recovery"])
Limit = Annotated[int, Query(ge=1, le=MOST)]


@router.get("")
def list_retries(
    request: Request,
    response: Response,
    state: Annotated[list[RecoveryState] | None, Query()] = None,
    limit: Limit = 50,
    cursor: UUID | None = None,
) -> dict[str, Any]:
    """List recoveries, newest first, each with its progress in tasks."""
    api: Api = request.app.state.api
    with api.ledger.reading() as tx:
        after = tx.recovery(cursor) if cursor else None
        if cursor and after is None:
            raise CursorUnknown(str(cursor))
        found = tx.recoveries(state or [], limit, after)
        shown = [recovery_view(tx, each) for each in found]
    link_next(request, response, limit, [each.id for each in found])
    return {"retries": shown}


@router.get("/{recovery_id}")
def read_retry(recovery_id: UUID, request: Request) -> dict[str, Any]:
    """Show a recovery: what was asked, its plan, progress, releases, attempts of a single failure, executions."""
    api: Api = request.app.state.api
    with api.ledger.reading() as tx:
        recovery = tx.recovery(recovery_id)
        if recovery is None:
            raise NotFound("retry", str(recovery_id))
        return recovery_whole(tx, recovery, api.clock())


@router.post("/{recovery_id}/pause")
def pause(recovery_id: UUID, body: SteerBody, request: Request) -> Response:
    """Let nothing more of it go until it is resumed; what is out stays out, and counts."""
    return _steered(recovery_id, body, request, CommandKind.PAUSE)


@router.post("/{recovery_id}/resume")
def resume(recovery_id: UUID, body: SteerBody, request: Request) -> Response:
    """Let it go on."""
    return _steered(recovery_id, body, request, CommandKind.RESUME)


@router.post("/{recovery_id}/abort")
def abort(recovery_id: UUID, body: SteerBody, request: Request) -> Response:
    """End it: what has not gone is given back at once; what is out is counted to its end."""
    return _steered(recovery_id, body, request, CommandKind.ABORT)


def _steered(recovery_id: UUID, body: SteerBody, request: Request, kind: CommandKind) -> Response:
    api: Api = request.app.state.api
    asked = Steering(api.new_id(), kind, request.state.actor, body.reason, api.clock())
    with api.ledger.transaction() as tx:
        content = recovery_whole(tx, steer(tx, recovery_id, asked), asked.at)
    return Response(orjson.dumps(content, default=str), HTTPStatus.OK, media_type="application/json")
