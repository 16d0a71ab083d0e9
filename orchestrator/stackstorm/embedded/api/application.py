"""The API's handlers: translate a request, call, translate back."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.api import lists, views
from orchestrator.stackstorm.embedded.api.http import Request, Response
from orchestrator.stackstorm.embedded.api.keys import KeyRoutes
from orchestrator.stackstorm.embedded.api.routes import Router
from orchestrator.stackstorm.embedded.errors import Fault
from orchestrator.stackstorm.embedded.runners.catalog import RUNNERS

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.content.library import Library
    from orchestrator.stackstorm.embedded.engine import Engine
    from orchestrator.stackstorm.embedded.runners.warm_processes import WarmProcesses
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


def application(engine: Engine, library: Library, store: Store, processes: WarmProcesses, api_url: str) -> Router:
    """Make the application that the server serves."""
    content = _Content(library, processes)
    events = _Events(engine, store)
    executions = _Executions(engine, store, api_url)
    return Router(
        [
            ("GET", "/runnertypes", lambda request: lists.paged(list(RUNNERS.values()), request.query)),
            ("GET", "/actions", content.actions),
            ("GET", "/actions/{}", content.action),
            ("GET", "/actions/views/entry_point/{}", content.entry_point),
            ("GET", "/triggertypes", content.triggers),
            ("GET", "/triggertypes/{}", content.trigger),
            ("GET", "/rules", content.rules),
            ("GET", "/rules/{}", lambda _request, ref: Response(200, views.rule_view(library.rule(ref)))),
            ("PUT", "/rules/{}", content.change_rule),
            ("GET", "/packs", content.packs),
            ("GET", "/packs/{}", content.pack),
            ("POST", "/packs/register", content.register),
            ("GET", "/webhooks", lambda request: lists.paged([], request.query)),
            ("POST", "/webhooks/st2", events.webhook),
            ("GET", "/triggerinstances", events.instances),
            ("GET", "/triggerinstances/{}", events.instance),
            ("POST", "/triggerinstances/{}/re_emit", events.re_emit),
            ("GET", "/ruleenforcements", events.enforcements),
            ("GET", "/ruleenforcements/{}", events.enforcement),
            ("GET", "/traces", events.traces),
            ("GET", "/traces/{}", events.trace),
            ("GET", "/executions", executions.page),
            ("POST", "/executions", executions.create),
            ("GET", "/executions/{}", executions.one),
            ("GET", "/executions/{}/result", executions.result),
            ("GET", "/executions/{}/output", executions.output),
            ("GET", "/executions/{}/children", executions.children),
            ("GET", "/executions/{}/attribute/{}", executions.attribute),
            *KeyRoutes(store).routes(),
        ]
    )


class _Content:
    """Actions, trigger types, rules and packs."""

    def __init__(self, library: Library, processes: WarmProcesses) -> None:
        self._library = library
        self._processes = processes

    def actions(self, request: Request) -> Response:
        shown = [views.action_view(action) for _, action in sorted(self._library.content.actions.items())]
        return lists.paged(lists.filtered(shown, request.query, ("pack", "name", "runner_type")), request.query)

    def action(self, _request: Request, ref: str) -> Response:
        found = [a for a in self._library.content.actions.values() if ref in (a.ref, a.id)]
        return Response(200, views.action_view(_first(found, ref)))

    def entry_point(self, _request: Request, ref: str) -> Response:
        action = _first([a for a in self._library.content.actions.values() if ref in (a.ref, a.id)], ref)
        if action.entry_point is None:
            raise Fault(404, f"Action ref={ref} has no entry_point to output")
        kind = "application/x-yaml" if action.workflow else "text/plain"
        return Response(200, action.entry_point.read_text(), content_type=kind)

    def triggers(self, request: Request) -> Response:
        shown = [views.trigger_view(trigger) for _, trigger in sorted(self._library.content.triggers.items())]
        return lists.paged(lists.filtered(shown, request.query, ("pack", "name")), request.query)

    def trigger(self, _request: Request, ref: str) -> Response:
        return Response(200, views.trigger_view(_first([t for t in self._library.content.triggers.values() if ref == t.ref], ref)))

    def rules(self, request: Request) -> Response:
        shown = [views.rule_view(rule) for _, rule in sorted(self._library.content.rules.items())]
        kept = lists.filtered(shown, request.query, ("pack", "name"))
        for name, member in (("action", "action"), ("trigger", "trigger")):
            if name in request.query:
                kept = [rule for rule in kept if rule[member]["ref"] == request.query[name]]
        if "enabled" in request.query:
            kept = [rule for rule in kept if rule["enabled"] == lists.truth(request.query["enabled"])]
        return lists.paged(kept, request.query)

    def change_rule(self, request: Request, ref: str) -> Response:
        if not isinstance(request.body, dict):
            raise Fault(400, "expected a rule, got no JSON object")
        return Response(200, views.rule_view(self._library.change_rule(ref, request.body)))

    def packs(self, request: Request) -> Response:
        shown = [views.pack_view(pack) for _, pack in sorted(self._library.content.packs.items())]
        return lists.paged(lists.filtered(shown, request.query, ("name", "ref")), request.query)

    def pack(self, _request: Request, ref: str) -> Response:
        return Response(200, views.pack_view(_first([p for p in self._library.content.packs.values() if ref in (p.ref, p.id)], ref)))

    def register(self, request: Request) -> Response:
        asked = request.body or {}
        types = set(asked.get("types") or ["all"])
        read = self._library.register(asked.get("packs"))
        for pack in read.packs.values():
            self._processes.replace(pack)
        every = "all" in types
        counts = {"runners": len(RUNNERS)}
        for name, values in (("triggers", read.triggers), ("actions", read.actions), ("rules", read.rules)):
            if every or name in types or name[:-1] in types:
                counts[name] = len(values)
        return Response(200, counts)


class _Events:
    """Webhooks, trigger instances, enforcements, traces."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self._engine = engine
        self._store = store

    def webhook(self, request: Request) -> Response:
        if not isinstance(request.body, dict):
            raise Fault(400, f"Webhook body needs to be an object, got: {_json_type(request.body)}")
        if not request.body.get("trigger"):
            raise Fault(400, "Trigger not specified.")
        trace_tag = request.headers.get("St2-Trace-Tag") or f"webhook-st2-{uuid.uuid4().hex}"
        self._engine.emit(request.body["trigger"], request.body.get("payload"), trace_tag)
        return Response(202, request.body)

    def instances(self, request: Request) -> Response:
        columns = {"trigger_type": "trigger_type", "trigger": "trigger_type", "status": "status"}
        return _page(self._store, "trigger_instances", request, columns)

    def instance(self, _request: Request, id_: str) -> Response:
        return Response(200, _known(self._store.one("trigger_instances", id_), id_))

    def re_emit(self, _request: Request, id_: str) -> Response:
        instance = _known(self._store.one("trigger_instances", id_), id_)
        payload = {**instance["payload"], "__context": {"original_id": id_}}
        self._engine.emit(instance["trigger"], payload, f"re_emit-{id_}")
        return Response(200, {"message": f"Trigger instance {id_} succesfully re-sent.", "payload": payload})

    def enforcements(self, request: Request) -> Response:
        columns = {"rule_ref": "rule_ref", "trigger_instance": "trigger_instance", "execution": "execution"}
        return _page(self._store, "enforcements", request, columns)

    def enforcement(self, _request: Request, id_: str) -> Response:
        return Response(200, _known(self._store.one("enforcements", id_), id_))

    def traces(self, request: Request) -> Response:
        found = self._store.traces(request.query.get("trace_tag"))
        return lists.paged([_trace_view(trace) for trace in found], request.query)

    def trace(self, _request: Request, id_: str) -> Response:
        return Response(200, _trace_view(_first(self._store.traces(None, id_), id_)))


class _Executions:
    """Executions: asked for, listed, shown."""

    def __init__(self, engine: Engine, store: Store, api_url: str) -> None:
        self._engine = engine
        self._store = store
        self._api_url = api_url

    def create(self, request: Request) -> Response:
        asked = request.body if isinstance(request.body, dict) else {}
        if not isinstance(asked.get("action"), str):
            raise Fault(400, "'action' is a required property")
        document = self._engine.request(asked["action"], asked.get("parameters") or {}, asked.get("context") or {})
        return Response(201, self._view(document))

    def page(self, request: Request) -> Response:
        unknown = set(request.query) - set(EXECUTION_FILTERS) - NOT_FILTERS
        if unknown:
            raise Fault(501, f"the filters {', '.join(sorted(unknown))} are not supported by the embedded StackStorm")
        columns = {column: request.query[name] for name, column in EXECUTION_FILTERS.items() if name in request.query}
        limit, offset = lists.window(request.query)
        newest_first = not lists.truth(request.query.get("sort_asc"))
        found, total = self._store.page("executions", columns, limit, offset, newest_first=newest_first)
        left_out = set((request.query.get("exclude_attributes") or "").split(",")) - {""}
        if left_out - MAY_BE_LEFT_OUT:
            raise Fault(400, f"Invalid or unsupported exclude attribute specified: {sorted(left_out)[0]}")
        kept = [{k: v for k, v in self._view(document).items() if k not in left_out} for document in found]
        wanted = set((request.query.get("include_attributes") or "").split(",")) - {""}
        if wanted:
            kept = [{k: v for k, v in document.items() if k in wanted | {"id"}} for document in kept]
        return lists.page(kept, total, limit)

    def one(self, _request: Request, id_: str) -> Response:
        return Response(200, self._view(self._find(id_)))

    def result(self, _request: Request, id_: str) -> Response:
        return Response(200, self._find(id_).get("result", {}), content_type="text/json")

    def output(self, _request: Request, id_: str) -> Response:
        result = self._find(id_).get("result") or {}
        text = "".join(str(result.get(name, "")) for name in ("stdout", "stderr")) if isinstance(result, dict) else ""
        return Response(200, text or None, content_type="text/plain")

    def children(self, request: Request, id_: str) -> Response:
        self._find(id_)
        depth = int(request.query.get("depth", -1))
        return Response(200, [self._view(document) for document in self._below(id_, depth)])

    def attribute(self, _request: Request, id_: str, name: str) -> Response:
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
        if id_ == "last":
            found, _ = self._store.page("executions", {}, 1, 0, newest_first=True)
            return _first(found, id_)
        document = self._store.execution(id_)
        if document is None:
            raise Fault(404, f'Unable to identify resource with id "{id_}".')
        return document

    def _view(self, document: Document) -> Document:
        children = [child["id"] for child in self._store.children(document["id"])] if document["runner"] == "orquesta" else []
        return views.execution_view(document, children, self._api_url, os.getpid())


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


def _first(found: list[Any], ref: str) -> Any:
    if not found:
        raise Fault(404, f'Resource with a reference or id "{ref}" not found')
    return found[0]


def _json_type(value: Any) -> str:
    names = {list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")
