"""The audit over HTTP: who did what, when and why; and whether its chain still holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
from fastapi import APIRouter, Query, Request, Response

from eventbus.wire import AUDIT_RECORDED
from orchestrator.api.desk_bodies import AuditPage, HeadQuery
from orchestrator.api.paging import link_next
from orchestrator.domain.replays import Selection
from orchestrator.flows.verifying import Anchor, Verdict, verify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.api.needs import Api
    from orchestrator.flows.desk import Desk

# Entries of the event log that the ledger's are held to, its newest ones.
COMPARED: Final = 5
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

    Its end is held to the newest entries that the event log has, and to `seq` and `hash`, where somebody noted them.
    A long chain is walked in several requests: where it is not `complete`, ask again with `after` and `former`, the
    number and the hash of the last entry that fits.
    """
    api: Api = request.app.state.api
    noted = [Anchor(query.seq, query.hash, "who asked")] if query.seq and query.hash else []
    start = Verdict(query.after, query.former) if query.after and query.former else None
    found = verify(api.ledger, (*_exported(api.desk), *noted), start)
    return {"holds": found.fault is None, **asdict(found)}


def _exported(desk: Desk) -> Iterator[Anchor]:
    """Give the newest entries that the event log has: they go from there days after every sink has got them."""
    for event in desk.replays.events(Selection(dead=False, type=AUDIT_RECORDED), COMPARED):
        data = orjson.loads(event.record.body)["data"]
        if isinstance(data.get("seq"), int) and isinstance(data.get("hash"), str):
            yield Anchor(data["seq"], data["hash"], "the event log")
