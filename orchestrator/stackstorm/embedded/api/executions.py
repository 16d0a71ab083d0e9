"""Executions: asked for, listed, shown."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.api import lists, views
from orchestrator.stackstorm.embedded.api.http import Request, Response
from orchestrator.stackstorm.embedded.errors import Fault
from orchestrator.stackstorm.embedded.runners.catalog import ORQUESTA

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.api.routes import Route
    from orchestrator.stackstorm.embedded.engine import Engine
    from orchestrator.stackstorm.embedded.store import Document, Store

EXECUTION_FILTERS = {
    "action": "action",
    "status": "status",
    "rule": "rule",
    "runner": "runner",
    "parent": "parent",
    "trigger_type": "trigger_type",
    "trigger_instance": "trigger_instance",
    "user": "user",
}
NOT_FILTERS = {"limit", "offset", "sort_desc", "sort_asc", "include_attributes", "exclude_attributes", "show_secrets"}
MAY_BE_LEFT_OUT = {"result", "trigger_instance", "status"}


class ExecutionRoutes:
    """Executions: asked for, listed, shown."""

    def __init__(self, engine: Engine, store: Store, api_url: str) -> None:
        self._engine = engine
        self._store = store
        self._api_url = api_url

    def routes(self) -> list[Route]:
        """Give the routes for the router."""
        return [
            ("GET", "/executions", self.page),
            ("POST", "/executions", self.create),
            ("GET", "/executions/{}", self.one),
            ("GET", "/executions/{}/result", self.result),
            ("GET", "/executions/{}/output", self.output),
            ("GET", "/executions/{}/children", self.children),
            ("GET", "/executions/{}/attribute/{}", self.attribute),
        ]

    def create(self, request: Request) -> Response:
        """Accept an execution of an action."""
        asked = request.body if isinstance(request.body, dict) else {}
        if not isinstance(asked.get("action"), str):
            raise Fault(400, "'action' is a required property")
        document = self._engine.request(asked["action"], asked.get("parameters") or {}, asked.get("context") or {})
        return Response(201, self._view(document))

    def page(self, request: Request) -> Response:
        """Answer executions, newest first."""
        unknown = set(request.query) - set(EXECUTION_FILTERS) - NOT_FILTERS
        if unknown:
            raise Fault(501, f"the filters {', '.join(sorted(unknown))} are not supported by the embedded StackStorm")
        columns = {
            # The command line sends "null" for executions that have no parent.
            column: None if request.query[name] == "null" else request.query[name]
            for name, column in EXECUTION_FILTERS.items()
            if name in request.query
        }
        limit, offset = lists.window(request.query)
        newest_first = not lists.truth(request.query.get("sort_asc"))
        found, total = self._store.page("executions", columns, limit, offset, newest_first=newest_first)
        left_out = set((request.query.get("exclude_attributes") or "").split(",")) - {""}
        if left_out - MAY_BE_LEFT_OUT:
            raise Fault(400, f"Invalid or unsupported exclude attribute specified: {min(left_out)}")
        kept = [{k: v for k, v in self._view(document).items() if k not in left_out} for document in found]
        wanted = set((request.query.get("include_attributes") or "").split(",")) - {""}
        if wanted:
            kept = [{k: v for k, v in document.items() if k in wanted | {"id"}} for document in kept]
        return lists.page(kept, total, limit)

    def one(self, _request: Request, id_: str) -> Response:
        """Answer one execution."""
        return Response(200, self._view(self._find(id_)))

    def result(self, _request: Request, id_: str) -> Response:
        """Answer the result alone."""
        return Response(200, self._find(id_).get("result", {}), content_type="text/json")

    def output(self, _request: Request, id_: str) -> Response:
        """Answer what a Python action printed."""
        result = self._find(id_).get("result") or {}
        text = "".join(str(result.get(name, "")) for name in ("stdout", "stderr")) if isinstance(result, dict) else ""
        return Response(200, text or None, content_type="text/plain")

    def children(self, request: Request, id_: str) -> Response:
        """Answer the executions below this one, to a depth; -1 for all."""
        self._find(id_)
        depth = int(request.query.get("depth", -1))
        return Response(200, [self._view(document) for document in self._below(id_, depth)])

    def attribute(self, _request: Request, id_: str, name: str) -> Response:
        """Answer one member of an execution."""
        shown = self._view(self._find(id_))
        if name not in shown:
            raise Fault(404, f'Attribute "{name}" not found')
        return Response(200, shown[name])

    def _below(self, id_: str, depth: int) -> list[Document]:
        found: list[Document] = []
        for child in self._store.children(id_) if depth else ():
            found += [child, *self._below(child["id"], depth - 1)]
        return found

    def _find(self, id_: str) -> Document:
        document = self._store.execution(id_)
        if document is None:
            raise Fault(404, f'Unable to identify resource with id "{id_}".')
        return document

    def _view(self, document: Document) -> Document:
        children = self._store.child_ids(document["id"]) if document["runner"] == ORQUESTA else []
        return views.execution_view(document, children, self._api_url, os.getpid())
