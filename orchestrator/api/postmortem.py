"""The postmortem of an incident, as JSON or as Markdown."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Request, Response

from orchestrator.api.why import known_of
from orchestrator.domain.errors import DependencyUnreachable, NotFound
from orchestrator.domain.postmortem import Money
from orchestrator.flows.explaining.page import page
from orchestrator.flows.explaining.postmortem import postmortem_of, tasks_asked_about
from orchestrator.warehouse.queries import spent_on_tasks

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.api.needs import Api

MARKDOWN = "text/markdown"
router = APIRouter(prefix="/api/v1", tags=["incidents"])


@router.get("/incidents/{incident_id}/postmortem", response_model=None)
def read_postmortem(incident_id: UUID, request: Request) -> Response:
    """Tell what is recorded of an incident, for whoever looks back at it; with `Accept: text/markdown` as a page."""
    api: Api = request.app.state.api
    known = known_of(api)
    with api.ledger.reading() as tx:
        incident = tx.incident(incident_id)
        if incident is None:
            raise NotFound("incident", str(incident_id))
        tasks, first = tasks_asked_about(tx, incident), tx.failure_sums(incident_id, known.now).first_at
    until = incident.closed_at or known.now
    money = _money(api, tasks, min(first or incident.opened_at, incident.opened_at), until, incident.size)
    with api.ledger.reading() as tx:
        found = postmortem_of(tx, tx.incident(incident_id) or incident, known, money)
    if MARKDOWN in request.headers.get("accept", ""):
        return Response(page(found), media_type=MARKDOWN)
    return Response(orjson.dumps(asdict(found), default=_plain), media_type="application/json")


def _money(api: Api, tasks: list[str], since: datetime, until: datetime, size: int) -> Money | None:
    """Ask the warehouse; None where it has no call of these tasks, or cannot be asked."""
    try:
        cost = spent_on_tasks(api.warehouse, tasks, since, until)
    except DependencyUnreachable:
        return None
    return Money(cost.usd_cost, cost.calls, cost.unpriced, len(tasks), max(size, len(tasks))) if cost.calls else None


def _plain(value: Any) -> str:  # noqa: ANN401 - what JSON has not: amounts
    return str(value)
