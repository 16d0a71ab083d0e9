"""Trigger types, triggers and timers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.api import lists, views
from orchestrator.stackstorm.embedded.api.http import Request, Response
from orchestrator.stackstorm.embedded.content.triggers import TIMERS
from orchestrator.stackstorm.embedded.errors import Fault

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.api.routes import Route
    from orchestrator.stackstorm.embedded.content.library import Library
    from orchestrator.stackstorm.embedded.triggering import Triggering


class TriggerRoutes:
    """Trigger types, triggers and timers."""

    def __init__(self, library: Library, triggering: Triggering) -> None:
        self._library = library
        self._triggering = triggering

    def routes(self) -> list[Route]:
        """Give the routes for the router."""
        return [
            ("GET", "/triggertypes", self.types),
            ("GET", "/triggertypes/{}", self.type),
            ("GET", "/triggers", self.triggers),
            ("GET", "/triggers/{}", self.trigger),
            ("GET", "/timers", self.timers),
            ("GET", "/timers/{}", self.timer),
        ]

    def types(self, request: Request) -> Response:
        """Answer the trigger types, by ref."""
        shown = [views.trigger_view(kind) for _, kind in sorted(self._library.content.triggers.items())]
        return lists.paged(lists.filtered(shown, request.query, ("pack", "name")), request.query)

    def type(self, _request: Request, ref: str) -> Response:
        """Answer one trigger type, by ref or id."""
        kinds = self._library.content.triggers
        found = kinds.get(ref) or next((kind for kind in kinds.values() if kind.id == ref), None)
        if found is None:
            raise Fault(404, f'Resource with a reference or id "{ref}" not found')
        return Response(200, views.trigger_view(found))

    def triggers(self, _request: Request) -> Response:
        """Answer the triggers: of each type without parameters one, and those that rules give parameters."""
        return Response(200, [trigger.document for _, trigger in sorted(self._triggering.listening.triggers.items())])

    def trigger(self, _request: Request, id_: str) -> Response:
        """Answer one trigger, by id."""
        for trigger in self._triggering.listening.triggers.values():
            if trigger.document["id"] == id_:
                return Response(200, trigger.document)
        raise Fault(404, f'Unable to identify resource with id "{id_}".')

    def timers(self, request: Request) -> Response:
        """Answer the triggers that are timers, all or of one type."""
        kind = request.query.get("timer_type")
        if kind and kind not in TIMERS:
            raise Fault(400, f"Timer type {kind} not in supported types - {list(TIMERS)}.")
        found = sorted(self._triggering.listening.timers.items())
        return Response(200, [timer.document for _, timer in found if kind in (None, timer.type)])

    def timer(self, _request: Request, ref: str) -> Response:
        """Answer one timer, by the ref or id of its trigger."""
        for timer in self._triggering.listening.timers.values():
            if ref in (timer.ref, timer.document["id"]):
                return Response(200, timer.document)
        raise Fault(404, f'Resource with a reference or id "{ref}" not found')
