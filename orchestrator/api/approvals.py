"""Approvals: what waits for a person's consent, and the answer of whoever gives one first."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from orchestrator.api.paging import link_next
from orchestrator.api.problems import CursorUnknown
from orchestrator.api.recovery_bodies import SteerBody
from orchestrator.api.recovery_views import recovery_whole
from orchestrator.api.schemas import Strict, Text
from orchestrator.domain.approving import ApprovalState
from orchestrator.domain.searching import Judging
from orchestrator.flows.approving import Answer, answer, note_inquiry

if TYPE_CHECKING:
    from orchestrator.api.needs import Api
    from orchestrator.domain.approving import Approval

MOST = 100
router = APIRouter(prefix="/api/v1", tags=["approvals"])


class InquiryBody(Strict):
    """The inquiry by which StackStorm asks about a recovery: the id of its execution."""

    inquiry_id: Text = Field(min_length=1, max_length=64)


@router.get("/approvals")
def list_approvals(
    request: Request,
    response: Response,
    state: Annotated[list[ApprovalState] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
    cursor: UUID | None = None,
) -> dict[str, Any]:
    """List what a person was asked to agree to, newest first: until when, what happens otherwise, who decided."""
    api: Api = request.app.state.api
    with api.ledger.reading() as tx:
        after = tx.approval(cursor) if cursor else None
        if cursor and after is None:
            raise CursorUnknown(str(cursor))
        found = tx.approvals(state or [], limit, after)
    link_next(request, response, limit, [each.recovery_id for each in found])
    return {"approvals": [approval_view(each) for each in found]}


@router.post("/recovery/retries/{recovery_id}/approve")
def approve(recovery_id: UUID, body: SteerBody, request: Request) -> Response:
    """Agree: it starts now. 409 where somebody has decided before, its time is over, or nothing can go any more."""
    return _answered(recovery_id, body, request, approve=True)


@router.post("/recovery/retries/{recovery_id}/reject")
def reject(recovery_id: UUID, body: SteerBody, request: Request) -> Response:
    """Refuse: nothing of it goes. 409 where somebody has decided before, or its time is over."""
    return _answered(recovery_id, body, request, approve=False)


@router.post("/recovery/retries/{recovery_id}/inquiry")
def inquiry(recovery_id: UUID, body: InquiryBody, request: Request) -> dict[str, Any]:
    """Note which of StackStorm's inquiries asks about it, so that an answer given here ends that one."""
    api: Api = request.app.state.api
    with api.ledger.transaction() as tx:
        return approval_view(note_inquiry(tx, recovery_id, body.inquiry_id, api.clock()))


def approval_view(approval: Approval) -> dict[str, Any]:
    """Show what is asked, or what was decided."""
    shown = asdict(approval)
    return {"id": shown.pop("recovery_id")} | shown


def _answered(recovery_id: UUID, body: SteerBody, request: Request, *, approve: bool) -> Response:
    api: Api = request.app.state.api
    now = api.clock()
    given = Answer(api.new_id(), request.state.actor, body.reason, now, approve)
    with api.ledger.transaction() as tx:
        content = recovery_whole(tx, answer(tx, recovery_id, given, Judging(now, api.keys_known)), now)
    return Response(orjson.dumps(content, default=str), HTTPStatus.OK, media_type="application/json")
