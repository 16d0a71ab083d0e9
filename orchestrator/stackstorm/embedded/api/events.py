"""What happened: webhooks, trigger instances, rule enforcements, traces."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.api import lists
from orchestrator.stackstorm.embedded.api.http import Request, Response
from orchestrator.stackstorm.embedded.errors import Fault

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.api.routes import Route
    from orchestrator.stackstorm.embedded.engine import Engine
    from orchestrator.stackstorm.embedded.store import Document, Store

_JSON_TYPES = {list: "array", str: "string", bool: "boolean", int: "number", float: "number"}


class EventRoutes:
    """Webhooks, trigger instances, enforcements, traces."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self._engine = engine
        self._store = store

    def routes(self) -> list[Route]:
        """Give the routes for the router."""
        return [
            ("GET", "/webhooks", lambda request: lists.paged([], request.query)),
            ("POST", "/webhooks/st2", self.webhook),
            ("GET", "/triggerinstances", self.instances),
            ("GET", "/triggerinstances/{}", self.instance),
            ("POST", "/triggerinstances/{}/re_emit", self.re_emit),
            ("GET", "/ruleenforcements", self.enforcements),
            ("GET", "/ruleenforcements/{}", self.enforcement),
            ("GET", "/traces", self.traces),
            ("GET", "/traces/{}", self.trace),
        ]

    def webhook(self, request: Request) -> Response:
        """Accept a trigger under the trace tag of the header; the answer is the body."""
        if not isinstance(request.body, dict):
            raise Fault(400, f"Webhook body needs to be an object, got: {_JSON_TYPES.get(type(request.body), 'null')}")
        if not request.body.get("trigger"):
            raise Fault(400, "Trigger not specified.")
        trace_tag = request.headers.get("St2-Trace-Tag") or f"webhook-st2-{uuid.uuid4().hex}"
        self._engine.emit(request.body["trigger"], request.body.get("payload"), trace_tag)
        return Response(202, request.body)

    def instances(self, request: Request) -> Response:
        """Answer trigger instances, newest first."""
        columns = {"trigger_type": "trigger_type", "trigger": "trigger_type", "status": "status"}
        return _page(self._store, "trigger_instances", request, columns)

    def instance(self, _request: Request, id_: str) -> Response:
        """Answer one trigger instance."""
        return Response(200, _known(self._store.one("trigger_instances", id_), id_))

    def re_emit(self, _request: Request, id_: str) -> Response:
        """Emit the trigger of an instance again."""
        instance = _known(self._store.one("trigger_instances", id_), id_)
        payload = {**instance["payload"], "__context": {"original_id": id_}}
        self._engine.emit(instance["trigger"], payload, f"re_emit-{id_}")
        return Response(200, {"message": f"Trigger instance {id_} succesfully re-sent.", "payload": payload})

    def enforcements(self, request: Request) -> Response:
        """Answer rule enforcements, newest first."""
        columns = {"rule_ref": "rule_ref", "trigger_instance": "trigger_instance", "execution": "execution"}
        return _page(self._store, "enforcements", request, columns)

    def enforcement(self, _request: Request, id_: str) -> Response:
        """Answer one rule enforcement."""
        return Response(200, _known(self._store.one("enforcements", id_), id_))

    def traces(self, request: Request) -> Response:
        """Answer the traces of a tag."""
        found = self._store.traces(request.query.get("trace_tag"))
        return lists.paged([_trace_view(trace) for trace in found], request.query)

    def trace(self, _request: Request, id_: str) -> Response:
        """Answer one trace."""
        return Response(200, _trace_view(_known(next(iter(self._store.traces(None, id_)), None), id_)))


def _page(store: Store, table: str, request: Request, names: dict[str, str]) -> Response:
    limit, offset = lists.window(request.query)
    columns = {column: request.query[name] for name, column in names.items() if name in request.query}
    found, total = store.page(table, columns, limit, offset, newest_first=True)
    return lists.page(found, total, limit)


def _trace_view(trace: Document) -> Document:
    return {"uid": f"trace:{trace['id']}", **trace}


def _known(document: Document | None, id_: str) -> Document:
    if document is None:
        raise Fault(404, f'Unable to identify resource with id "{id_}".')
    return document
