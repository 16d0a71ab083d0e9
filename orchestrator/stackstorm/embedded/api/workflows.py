"""The inspection of a workflow that somebody is writing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.stackstorm.embedded.api.http import Request, Response
from orchestrator.stackstorm.embedded.content import source
from orchestrator.stackstorm.embedded.content.signatures import signatures
from orchestrator.stackstorm.embedded.errors import ContentError, Fault
from orchestrator.stackstorm.embedded.orquesta.inspection import inspect

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.api.routes import Route
    from orchestrator.stackstorm.embedded.content.library import Library

# The real one's inspection by request knows of no parent, which a running workflow may have.
_KNOWN: Final = frozenset({"st2"})
_BODY: Final = Path("request")


class WorkflowRoutes:
    """POST of /workflows/inspect."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def routes(self) -> list[Route]:
        """Give the routes for the router."""
        return [("POST", "/workflows/inspect", self.inspect)]

    def inspect(self, request: Request) -> Response:
        """Answer what is wrong with a workflow, given as YAML text; an empty list where nothing is."""
        if not isinstance(request.body, str):
            raise Fault(400, "expected a workflow as YAML text, with a content type such as text/plain")
        if len(request.body) > source.MAX_BYTES:
            raise Fault(400, f"expected at most {source.MAX_BYTES} characters, got {len(request.body)}")
        try:
            workflow = source.parse(_BODY, request.body).data
        except ContentError as error:
            raise Fault(400, f"Failed to load workflow definition because {error}.") from None
        if not workflow:
            raise Fault(400, "The spec cannot be type of None.")
        if not isinstance(workflow, dict):
            raise Fault(400, "The spec is not type of json or yaml.")
        found = inspect(workflow, signatures(self._library.content), _KNOWN)
        return Response(200, [finding.shown() for finding in found])
