"""A person's work on incidents and failures over HTTP: assign, acknowledge, snooze, discard. Each is audited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from fastapi import APIRouter, Request

from orchestrator.api.desk_bodies import DiscardFailuresBody, UpdateBody, WhyBody
from orchestrator.api.views import incident_view
from orchestrator.domain.selection import Selection
from orchestrator.flows.deskwork import IncidentUpdate, foreseen, update_incident
from orchestrator.flows.discarding import DiscardRequest, discard_failures, doomed

if TYPE_CHECKING:
    from orchestrator.api.needs import Api
    from orchestrator.flows.deskwork import Updated
    from orchestrator.flows.discarding import Doomed

router = APIRouter(prefix="/api/v1", tags=["desk"])


@router.patch("/incidents/{incident_id}")
def update(incident_id: UUID, body: UpdateBody, request: Request) -> dict[str, Any]:
    """Change who has an incident, how bad it is, that somebody knows, until when nobody is woken; or give it up.

    409 with `revision` and `changes` where it was decided on another revision than the present one.
    """
    api: Api = request.app.state.api
    asked = IncidentUpdate(
        api.new_id(), request.state.actor, body.reason, api.clock(), body.wanted, revision=body.revision
    )
    if body.dry_run:
        with api.ledger.reading() as tx:
            return {"dry_run": True, "command": asked.kind, **_foreseen(foreseen(tx, incident_id, asked))}
    with api.ledger.transaction() as tx:
        found = update_incident(tx, incident_id, asked)
    return {"command": asked.kind, "command_id": asked.command_id if found.changed else None, **_updated(found)}


def _foreseen(found: Updated) -> dict[str, Any]:
    """Give what would be otherwise, with the revision that is now: the one to decide on."""
    return _updated(found) | {"revision": found.before.revision, "incident": incident_view(found.before)}


def _updated(found: Updated) -> dict[str, Any]:
    before, after = found.told()
    return {
        "id": found.after.id,
        "revision": found.after.revision,
        "changed": found.changed,
        "before": before,
        "after": after,
        "incident": incident_view(found.after),
    }


@router.post("/failures/discard")
def discard(body: DiscardFailuresBody, request: Request) -> dict[str, Any]:
    """Give failures up that are held or dead, by a person's name; what is on its way, or over, stays as it is."""
    return _discarded(body.selection(), body, request)


@router.post("/failures/{failure_id}/discard")
def discard_one(failure_id: UUID, body: WhyBody, request: Request) -> dict[str, Any]:
    """Give one failure up. To say it again changes nothing."""
    return _discarded(Selection(ids=frozenset({failure_id})), body, request)


def _discarded(selection: Selection, body: WhyBody, request: Request) -> dict[str, Any]:
    api: Api = request.app.state.api
    asked = DiscardRequest(api.new_id(), request.state.actor, body.reason, api.clock(), selection)
    if body.dry_run:
        with api.ledger.reading() as tx:
            return {"dry_run": True, **_doomed(doomed(tx, selection))}
    with api.ledger.transaction() as tx:
        found = discard_failures(tx, asked)
    return {"command_id": asked.command_id if found.number else None, **_doomed(found)}


def _doomed(found: Doomed) -> dict[str, Any]:
    incidents = [{"id": each, "failures": states} for each, states in sorted(found.going.items())]
    return {"discarded": found.number, "incidents": incidents, "not_discarded": found.staying}
