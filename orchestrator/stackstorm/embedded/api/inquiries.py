"""Inquiries: those that wait, and their responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.stackstorm.embedded import inquiries
from orchestrator.stackstorm.embedded.api import lists
from orchestrator.stackstorm.embedded.api.http import Request, Response
from orchestrator.stackstorm.embedded.errors import Fault
from orchestrator.stackstorm.embedded.runners.catalog import INQUIRER

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.api.routes import Route
    from orchestrator.stackstorm.embedded.executing import Executing
    from orchestrator.stackstorm.embedded.store import Document, Store

PAGE: Final = 20
_WAITING: Final = (("status", "is", "pending"), ("runner", "is", INQUIRER))


class InquiryRoutes:
    """The routes of /inquiries."""

    def __init__(self, executing: Executing, store: Store) -> None:
        self._executing = executing
        self._store = store

    def routes(self) -> list[Route]:
        """Give the routes for the router."""
        return [
            ("GET", "/inquiries", self.page),
            ("GET", "/inquiries/{}", self.one),
            ("PUT", "/inquiries/{}", self.respond),
        ]

    def page(self, request: Request) -> Response:
        """Answer the inquiries that wait, newest first."""
        limit, offset = lists.window({"limit": str(PAGE), **request.query})
        found, total = self._store.executions.page(_WAITING, limit, offset, newest_first=True, results=True)
        return lists.page([inquiries.view(document) for document in found], total, limit)

    def one(self, _request: Request, id_: str) -> Response:
        """Answer one inquiry that waits."""
        document = self._find(id_)
        inquiries.check(document)
        return Response(200, inquiries.view(document))

    def respond(self, request: Request, id_: str) -> Response:
        """Take a response; it must fit the inquiry's schema."""
        if not isinstance(request.body, dict) or "response" not in request.body:
            raise Fault(400, "'response' is a required property")
        self._executing.interventions.respond(id_, request.body["response"], request.user)
        return Response(200, {"id": id_, "response": request.body["response"]})

    def _find(self, id_: str) -> Document:
        document = self._store.executions.get(id_)
        if document is None:
            raise Fault(404, f'Unable to identify resource with id "{id_}".')
        return document
