"""Why something is as it is: the story of whatever an id names, and the timeline of an incident."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request

from orchestrator.api.event_views import event_view, fate_view
from orchestrator.domain.errors import NotFound
from orchestrator.flows.explaining.finding import story_of, story_of_an_event, unknown
from orchestrator.flows.explaining.incidents import timeline
from orchestrator.flows.explaining.known import Known

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.api.needs import Api
    from orchestrator.domain.events import StoredEvent
    from orchestrator.domain.story import Step, Story

# What no database of PostgreSQL can be asked for.
NO_ID: Final = "\x00"
router = APIRouter(prefix="/api/v1", tags=["why"])


@router.get("/why/{named:path}")
def why(named: str, request: Request) -> dict[str, Any]:
    """Tell the story of whatever an id names: a task that failed, a failure, an incident, an event and others.

    Of an event its fate at each sink is told as well. 404 says which ids are known.
    """
    api: Api = request.app.state.api
    known = known_of(api)
    if NO_ID in named:
        raise unknown(named)
    with api.ledger.reading() as tx:
        found = story_of(tx, named, known)
    if found is not None:
        return story_view(found)
    event = _event(api, named)
    fates = api.desk.fates(event)
    with api.ledger.reading() as tx:
        told = story_of_an_event(tx, event, fates, known)
    return event_view(event) | {"sinks": [fate_view(each) for each in fates]} | story_view(told)


@router.get("/incidents/{incident_id}/timeline")
def read_timeline(incident_id: UUID, request: Request) -> dict[str, Any]:
    """Tell all that happened to an incident, oldest first; redrives are told in the counts of their releases."""
    api: Api = request.app.state.api
    with api.ledger.reading() as tx:
        incident = tx.incident(incident_id)
        if incident is None:
            raise NotFound("incident", str(incident_id))
        return {"incident_id": incident_id, "steps": steps_view(timeline(tx, incident))}


def known_of(api: Api) -> Known:
    """Give what stories need beside the ledger."""
    return Known(api.clock(), api.policies, api.default_mode, keys_known=api.keys_known)


def story_view(story: Story) -> dict[str, Any]:
    """Show a story."""
    return {
        "about": story.about,
        "id": story.id,
        "title": story.title,
        "steps": steps_view(story.steps),
        "now": asdict(story.now),
        "gone": list(story.gone),
    }


def steps_view(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Show steps."""
    return [asdict(each) for each in steps]


def _event(api: Api, named: str) -> StoredEvent:
    try:
        return api.desk.event(named)
    except NotFound:
        raise unknown(named) from None
