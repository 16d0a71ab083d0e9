"""Sinks: the account of each, by hour too, its circuits, and how one that is gone is forgotten."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError

from orchestrator.api.event_bodies import MOST_LISTED, CircuitBody, ForgetQuery, HoursQuery, ReconcileBody
from orchestrator.api.event_views import account_view, counts_view
from orchestrator.domain.circuits import CircuitState
from orchestrator.domain.commands import CommandKind
from orchestrator.domain.conservation import Reconciliation
from orchestrator.domain.events import Lane
from orchestrator.flows.auditing import reconciliation_asked
from orchestrator.flows.sending_again import Word, forget_sink, hold_circuit, intend, leaving

if TYPE_CHECKING:
    from orchestrator.api.needs import Api

DAY: Final = timedelta(days=1)
router = APIRouter(prefix="/api/v1/sinks", tags=["sinks"])


@router.get("")
def read_sinks(request: Request) -> dict[str, Any]:
    """Show what became of every event, per sink: counts, the oldest that waits, circuits, rate, last error.

    A sink that is not `configured` is in the settings no longer, and the log keeps what it has not got.
    """
    api: Api = request.app.state.api
    now = api.clock()
    return {each.sink: account_view(each, now) for each in api.desk.accounts(now)}


@router.post("/reconcile", status_code=HTTPStatus.ACCEPTED)
def reconcile(body: ReconcileBody, request: Request) -> dict[str, Any]:
    """Hold what was delivered against what the warehouse has, soon, in the relay part; what is missing goes again."""
    api: Api = request.app.state.api
    now = api.clock()
    until = body.until or now
    since = body.since or until - 2 * DAY
    if since > until:
        message = f"expected a time that has begun, got {since.isoformat()}"
        raise RequestValidationError([{"type": "value_error", "loc": ("body", "since"), "msg": message}])
    asked = [
        Reconciliation(api.new_id(), sink, since, until, request.state.actor, now) for sink in sorted(api.desk.holders)
    ]
    with api.ledger.transaction() as tx:
        for each in asked:
            tx.audit(reconciliation_asked(each, body.reason))
    for each in asked:
        api.desk.reconciliations.ask(each)
    return {"reconciliations": [asdict(each) for each in asked]}


@router.get("/reconciliations")
def read_reconciliations(request: Request, limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 100) -> dict[str, Any]:
    """List what was held against the warehouse, newest first: how many events, how many were missing and go again."""
    api: Api = request.app.state.api
    return {"reconciliations": [asdict(each) for each in api.desk.reconciliations.newest(limit)]}


@router.get("/{name}/hours")
def read_hours(name: str, query: Annotated[HoursQuery, Query()], request: Request) -> dict[str, Any]:
    """Show the sums for each hour of acceptance in which anything was accepted; the last day unless told otherwise."""
    api: Api = request.app.state.api
    until = query.until or api.clock() + timedelta(seconds=1)
    hours = api.desk.log.hours(api.desk.subscribed(name), query.since or until - DAY, until)
    return {"sink": name, "hours": [{"hour": each.hour} | counts_view(each.counts) for each in hours]}


@router.put("/{name}/circuit")
def set_circuit(name: str, body: CircuitBody, request: Request) -> dict[str, Any]:
    """Hold a sink's circuits open or closed, or leave them to themselves again; relays notice within seconds."""
    api: Api = request.app.state.api
    lanes = [Lane(body.lane)] if body.lane else list(Lane)
    state = None if body.state == "auto" else CircuitState(body.state)
    word = Word(api.new_id(), request.state.actor, body.reason, api.clock())
    with api.ledger.transaction() as tx:
        names = hold_circuit(tx, api.desk, word, api.desk.known(name), lanes, state)
    return {"sink": name, "circuits": list(names), "state": body.state, "command_id": word.id}


@router.delete("/{name}")
def forget(name: str, query: Annotated[ForgetQuery, Query()], request: Request) -> dict[str, Any]:
    """Forget a sink that is in no settings any more: what it has not got is given up, and the log may drop it.

    409 while this orchestrator's settings name it, or another orchestrator serves it.
    """
    api: Api = request.app.state.api
    with api.ledger.reading() as tx:
        going = leaving(tx, api.desk, name, api.clock())
    if query.dry_run:
        return {"dry_run": True, "sink": name} | counts_view(going)
    word = Word(api.new_id(), request.state.actor, query.reason, api.clock())
    intend(api.ledger, word, api.new_id(), CommandKind.FORGET, {"sink": name})
    with api.ledger.transaction() as tx:
        counts = forget_sink(tx, api.desk, word, query.by, name)
    return {"sink": name, "by": query.by, "command_id": word.id} | counts_view(counts)
