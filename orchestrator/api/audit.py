"""The audit over HTTP: who did what, when and why; and whether its chain still holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from orchestrator.api.desk_bodies import AuditPage, HeadQuery
from orchestrator.api.paging import link_next
from orchestrator.flows.verifying import Anchor, Verdict, verify

if TYPE_CHECKING:
    from orchestrator.api.needs import Api

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])


@router.get("")
def list_entries(query: Annotated[AuditPage, Query()], request: Request, response: Response) -> dict[str, Any]:
    """List entries, newest first, each as it was hashed: members that are null are left out."""
    api: Api = request.app.state.api
    with api.ledger.reading() as tx:
        found = tx.audited(query.query(), query.limit, query.cursor)
    link_next(request, response, query.limit, [each.seq for each in found])
    return {"entries": [each.told for each in found]}


@router.get("/verify")
def verify_chain(query: Annotated[HeadQuery, Query()], request: Request) -> dict[str, Any]:
    """Walk the chain, and name the first entry that does not fit.

    It is held to every entry that the event log still has, and to `seq` and `hash`, where somebody noted them. A long
    chain is walked in several requests: where it is not `complete`, ask again with `after` and `former`, the number and
    the hash of the last entry that fits, and with `place`, how far the event log was looked through.
    """
    api: Api = request.app.state.api
    noted = [Anchor(query.seq, query.hash, "who asked")] if query.seq and query.hash else []
    start = Verdict(query.after, query.former, place=query.place) if query.after is not None and query.former else None
    found = verify(api.ledger, tuple(noted), start, api.desk.log)
    return {"holds": found.fault is None, **asdict(found)}
