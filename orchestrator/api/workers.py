"""The workers that the bus has told of."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request

from orchestrator.domain.workers import Fate
from orchestrator.flows.workers import Seen, all_workers

if TYPE_CHECKING:
    from orchestrator.api.needs import Api

router = APIRouter(prefix="/api/v1", tags=["workers"])


@router.get("/workers")
def list_workers(request: Request, state: Annotated[list[Fate] | None, Query()] = None) -> dict[str, Any]:
    """List every boot of a worker that is known, by name, and until when the bus has been read without a break."""
    api: Api = request.app.state.api
    with api.ledger.reading() as tx:
        found = all_workers(tx, api.clock(), api.worker_slack)
        reading = tx.bus_reading()
    shown = [_view(each) for each in found if not state or each.fate in state]
    return {"workers": shown, "bus_read": asdict(reading) if reading else None}


def _view(seen: Seen) -> dict[str, Any]:
    beat = asdict(seen.worker.beat)
    del beat["stopped"]
    times = {"first_seen": seen.worker.first_seen, "last_seen": seen.worker.last_seen}
    return beat | times | {"idle_since": seen.worker.idle_since, "state": seen.fate}
