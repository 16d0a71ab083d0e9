"""Executions: asked for, listed, shown, paused, resumed, canceled, run again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded.api import lists, views
from orchestrator.stackstorm.embedded.api.http import Request, Response
from orchestrator.stackstorm.embedded.content import checks
from orchestrator.stackstorm.embedded.errors import Fault
from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.runners.catalog import ORQUESTA

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from orchestrator.stackstorm.embedded.api.routes import Route
    from orchestrator.stackstorm.embedded.executing import Executing
    from orchestrator.stackstorm.embedded.store import Document, Store

    Condition = tuple[str, str, Any]

FILTERS: Final = (
    "action", "status", "liveaction", "parent", "rule", "runner", "trigger", "trigger_type", "trigger_instance", "user",
)  # fmt: skip
TIMES: Final = {"timestamp": "=", "timestamp_gt": ">", "timestamp_lt": "<"}
MAY_BE_LEFT_OUT: Final = {"result", "trigger_instance", "status"}
# What an answer always holds, whichever attributes were asked for: secrets are masked by it.
ALWAYS: Final = (
    "action.parameters", "action.output_schema", "runner.runner_parameters", "runner.output_key", "parameters",
    "action.pack", "action.uid", "context", "id",
)  # fmt: skip
_MILLISECONDS: Final = 1000
_LONGEST_DELAY: Final = 2**53
# Looked at one by one: a schema's check would be a sixth of the time that an action of the runner noop takes.
_KINDS: Final = {"action": str, "parameters": dict, "context": dict, "tasks": list, "reset": list, "delay": int}


class ExecutionRoutes:
    """The routes of /executions."""

    def __init__(self, executing: Executing, store: Store, api_url: str) -> None:
        self._executing = executing
        self._store = store
        self._api_url = api_url

    def routes(self) -> list[Route]:
        """Give the routes for the router."""
        return [
            ("GET", "/executions", self.page),
            ("POST", "/executions", self.create),
            ("GET", "/executions/{}", self.one),
            ("PUT", "/executions/{}", self.change),
            ("DELETE", "/executions/{}", self.cancel),
            ("POST", "/executions/{}/re_run", self.rerun),
            ("GET", "/executions/{}/result", self.result),
            ("GET", "/executions/{}/output", self.output),
            ("GET", "/executions/{}/children", self.children),
            ("GET", "/executions/{}/attribute/{}", self.attribute),
        ]

    def create(self, request: Request) -> Response:
        """Accept an execution of an action, to run after `delay` milliseconds."""
        asked = _asked(request)
        if asked.get("action") is None:
            raise Fault(400, "'action' is a required property")
        delay = (asked.get("delay") or 0) / _MILLISECONDS
        given, context = asked.get("parameters") or {}, {**(asked.get("context") or {}), "user": request.user}
        return Response(201, self._view(self._executing.ask(asked["action"], given, context, delay)))

    def page(self, request: Request) -> Response:
        """Answer executions, newest first; those after a time oldest first, as StackStorm does."""
        query = request.query
        left_out = _left_out(query)
        wanted = _names(query, "include_attributes")
        limit, offset = lists.window(query)
        ascending = "timestamp_lt" not in query and not query.get("sort_desc")
        ascending = ascending and ("timestamp_gt" in query or lists.truth(query.get("sort_asc")))
        results = "result" not in left_out and (not wanted or "result" in wanted)
        found, total = self._store.executions.page(
            _conditions(query), limit, offset, newest_first=not ascending, results=results
        )
        return lists.page([_chosen(self._view(document), wanted, left_out) for document in found], total, limit)

    def one(self, request: Request, id_: str) -> Response:
        """Answer one execution, by its id or as the `last` one."""
        left_out = _left_out(request.query)
        found = self._view(self._find(id_))
        return Response(200, _chosen(found, _names(request.query, "include_attributes"), left_out))

    def change(self, request: Request, id_: str) -> Response:
        """Pause, resume or cancel an execution."""
        asked = _asked(request).get("status")
        interventions = self._executing.interventions
        if asked in ("pausing", "paused"):
            return Response(200, self._view(interventions.pause(id_, request.user)))
        if asked == "resuming":
            return Response(200, self._view(interventions.resume(id_, request.user)))
        if asked in ("canceling", "canceled"):
            return Response(200, self._view(interventions.cancel(id_, request.user)))
        raise Fault(400, f"expected the status pausing, resuming or canceling, got {asked!r}")

    def cancel(self, request: Request, id_: str) -> Response:
        """Cancel an execution; one that has ended already is answered 200 with a fault, as StackStorm does."""
        return Response(200, self._view(self._executing.interventions.cancel(id_, request.user)))

    def rerun(self, request: Request, id_: str) -> Response:
        """Run an execution's action again, or an ended workflow from some of its tasks."""
        asked = _asked(request)
        merge = not lists.truth(request.query.get("no_merge"))
        return Response(201, self._view(self._executing.interventions.rerun(id_, asked, request.user, merge=merge)))

    def result(self, _request: Request, id_: str) -> Response:
        """Answer the result alone."""
        return Response(200, self._find(id_).get("result", {}), content_type="text/json")

    def output(self, request: Request, id_: str) -> Response:
        """Answer what an action has printed until now: both streams, or one by `output_type`."""
        kind = request.query.get("output_type", "all")
        document = self._find(id_)
        result = document.get("result") or {}
        printed = dict(zip(("stdout", "stderr"), self._executing.printed(document["id"]), strict=True))
        if document["status"] in statuses.COMPLETED:
            printed = {name: result.get(name, "") for name in printed} if isinstance(result, dict) else {}
        text = "".join(str(said) for name, said in printed.items() if kind in ("all", name))
        return Response(200, text, content_type="text/plain; charset=UTF-8")

    def children(self, request: Request, id_: str) -> Response:
        """Answer the executions below this one, to a depth; -1 for all."""
        self._find(id_)
        depth = lists.whole(request.query, "depth", -1)
        return Response(200, [self._view(document) for document in self._below(id_, depth)])

    def attribute(self, _request: Request, id_: str, name: str) -> Response:
        """Answer one member of an execution."""
        shown = self._view(self._find(id_))
        if name not in shown:
            raise Fault(404, f'Attribute "{name}" not found')
        return Response(200, shown[name])

    def _below(self, id_: str, depth: int) -> list[Document]:
        found: list[Document] = []
        for child in self._store.executions.children(id_) if depth else ():
            found += [child, *self._below(child["id"], depth - 1)]
        return found

    def _find(self, id_: str) -> Document:
        known = self._store.executions.newest() if id_ == "last" else id_
        if known is None:
            raise Fault(400, "No executions found in the database")
        document = self._store.executions.get(known)
        if document is None:
            raise Fault(404, f'Unable to identify resource with id "{id_}".')
        return document

    def _view(self, document: Document) -> Document:
        begun = document["runner"] == ORQUESTA and document["status"] not in views.WITHOUT_RUNNER
        children = self._store.executions.child_ids(document["id"]) if begun else []
        return views.execution_view(document, children, self._api_url, os.getpid())


def _asked(request: Request) -> Document:
    """Give what is asked of an execution, each member of its kind or null; raises Fault 400."""
    asked: Document = {} if request.body is None else request.body
    if not isinstance(asked, dict):
        raise Fault(400, f"expected a JSON object, got {checks.kind_of(asked)}")
    for name, kind in _KINDS.items():
        value = asked.get(name)
        if value is not None and not isinstance(value, kind):
            raise Fault(400, f"expected {name} to be {checks.kind_of(kind())}, got {checks.got(value)}")
    for name in [*(asked.get("tasks") or ()), *(asked.get("reset") or ())]:
        if not isinstance(name, str):
            raise Fault(400, f"expected the names of tasks, got {checks.got(name)}")
    if not 0 <= (asked.get("delay") or 0) <= _LONGEST_DELAY:
        raise Fault(400, f"expected delay to be at most {_LONGEST_DELAY} milliseconds, and not negative")
    return asked


def _conditions(query: Mapping[str, str]) -> list[Condition]:
    """Give the filters of a query; "null" wants what has none, such as executions without a parent."""
    plain: list[Condition] = [
        (name, "is", None if query[name] == "null" else query[name]) for name in FILTERS if query.get(name)
    ]
    return plain + [
        ("start_timestamp", operator, lists.moment(query, name)) for name, operator in TIMES.items() if name in query
    ]


def _names(query: Mapping[str, str], name: str) -> set[str]:
    return set((query.get(name) or "").split(",")) - {""}


def _left_out(query: Mapping[str, str]) -> set[str]:
    left_out = _names(query, "exclude_attributes")
    if left_out - MAY_BE_LEFT_OUT:
        raise Fault(400, f"Invalid or unsupported exclude attribute specified: {min(left_out - MAY_BE_LEFT_OUT)}")
    return left_out


def _chosen(shown: Document, wanted: Collection[str], left_out: Collection[str]) -> Document:
    """Give the members of an execution that were asked for; `action.ref` is the ref of its action alone."""
    if not wanted:
        return {name: value for name, value in shown.items() if name not in left_out}
    chosen: Document = {}
    for path in sorted({*wanted, *ALWAYS}):
        name, _, inner = path.partition(".")
        if name not in shown or name in left_out:
            continue
        if not inner:
            chosen[name] = shown[name]
        elif inner in shown[name] and name not in wanted:
            chosen.setdefault(name, {})[inner] = shown[name][inner]
    return chosen
