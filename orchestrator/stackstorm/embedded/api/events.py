"""What happened: trigger instances, rule enforcements, traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded.api import lists
from orchestrator.stackstorm.embedded.api.http import Request, Response
from orchestrator.stackstorm.embedded.errors import Fault
from orchestrator.stackstorm.embedded.masking import masked
from orchestrator.stackstorm.embedded.runners.catalog import RUNNERS
from orchestrator.stackstorm.embedded.store.events import ENFORCEMENTS, INSTANCES

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.api.routes import Route
    from orchestrator.stackstorm.embedded.store import Document, Store
    from orchestrator.stackstorm.embedded.triggering import Triggering

# A query's parameter -> the comparison it asks for.
_INSTANCES: Final = {
    "trigger": "trigger_ref =",
    "trigger_type": "trigger_type =",
    "status": "status =",
    "timestamp_gt": "occurrence_time >",
    "timestamp_lt": "occurrence_time <",
}
_ENFORCEMENTS: Final = {
    "rule_ref": "rule_ref =",
    "rule_id": "rule_id =",
    "trigger_instance": "instance =",
    "execution": "execution =",
    "enforced_at": "enforced_at =",
    "enforced_at_gt": "enforced_at >",
    "enforced_at_lt": "enforced_at <",
}
_TIMES: Final = frozenset({"timestamp_gt", "timestamp_lt", "enforced_at", "enforced_at_gt", "enforced_at_lt"})
_TRACE_PARTS: Final = {"execution": "action_executions", "rule": "rules", "trigger_instance": "trigger_instances"}


class EventRoutes:
    """Trigger instances, enforcements, traces."""

    def __init__(self, triggering: Triggering, store: Store) -> None:
        self._triggering = triggering
        self._store = store

    def routes(self) -> list[Route]:
        """Give the routes for the router."""
        return [
            ("GET", "/triggerinstances", self.instances),
            ("GET", "/triggerinstances/{}", self.instance),
            ("POST", "/triggerinstances/{}/re_emit", self.re_emit),
            ("POST", "/triggerinstances/{}/re_send", self.re_emit),
            ("GET", "/ruleenforcements", self.enforcements),
            ("GET", "/ruleenforcements/views", self.enforcement_views),
            ("GET", "/ruleenforcements/views/{}", self.enforcement_view),
            ("GET", "/ruleenforcements/{}", self.enforcement),
            ("GET", "/traces", self.traces),
            ("GET", "/traces/{}", self.trace),
        ]

    def instances(self, request: Request) -> Response:
        """Answer trigger instances, newest first."""
        return lists.page(*self._page(INSTANCES, request, _INSTANCES))

    def instance(self, _request: Request, id_: str) -> Response:
        """Answer one trigger instance."""
        return Response(200, _known(self._store.events.one(INSTANCES, id_), id_))

    def re_emit(self, _request: Request, id_: str) -> Response:
        """Emit the trigger of an instance again."""
        instance = _known(self._store.events.one(INSTANCES, id_), id_)
        payload = {**instance["payload"], "__context": {"original_id": id_}}
        self._triggering.emit_again(instance["trigger"], payload)
        return Response(200, {"message": f"Trigger instance {id_} succesfully re-sent.", "payload": payload})

    def enforcements(self, request: Request) -> Response:
        """Answer rule enforcements, newest first."""
        return lists.page(*self._page(ENFORCEMENTS, request, _ENFORCEMENTS))

    def enforcement(self, _request: Request, id_: str) -> Response:
        """Answer one rule enforcement."""
        return Response(200, _known(self._store.events.one(ENFORCEMENTS, id_), id_))

    def enforcement_views(self, request: Request) -> Response:
        """Answer rule enforcements, newest first, each with its trigger instance and its execution."""
        found, total, limit = self._page(ENFORCEMENTS, request, _ENFORCEMENTS)
        return lists.page([self._with_both(enforcement) for enforcement in found], total, limit)

    def enforcement_view(self, _request: Request, id_: str) -> Response:
        """Answer one rule enforcement with its trigger instance and its execution."""
        return Response(200, self._with_both(_known(self._store.events.one(ENFORCEMENTS, id_), id_)))

    def traces(self, request: Request) -> Response:
        """Answer traces, newest first: all, those of a tag, or those with a certain execution, rule or instance."""
        limit, offset = lists.window(request.query)
        parts = {kind: request.query[name] for name, kind in _TRACE_PARTS.items() if name in request.query}
        newest_first = not lists.truth(request.query.get("sort_asc"))
        tag = request.query.get("trace_tag")
        found, total = self._store.traces.page(tag, parts, limit, offset, newest_first=newest_first)
        return lists.page([_trace_view(trace) for trace in found], total, limit)

    def trace(self, _request: Request, id_: str) -> Response:
        """Answer one trace."""
        return Response(200, _trace_view(_known(self._store.traces.find(id_), id_)))

    def _page(self, table: str, request: Request, names: dict[str, str]) -> tuple[list[Document], int, int]:
        limit, offset = lists.window(request.query)
        wanted = {
            comparison: lists.moment(request.query, name) if name in _TIMES else request.query[name]
            for name, comparison in names.items()
            if name in request.query
        }
        found, total = self._store.events.page(table, wanted, limit, offset)
        return found, total, limit

    def _with_both(self, enforcement: Document) -> Document:
        execution = self._store.executions.get(enforcement.get("execution_id", ""))
        return {
            **enforcement,
            "trigger_instance": self._store.events.one(INSTANCES, enforcement["trigger_instance_id"]) or {},
            "execution": _execution_view(execution) if execution else {},
        }


def _execution_view(execution: Document) -> dict[str, Any]:
    """Give what the view of an enforcement says of its execution."""
    action, runner = execution["action"], RUNNERS[execution["runner"]]
    return {
        "id": execution["id"],
        "action": {"ref": action["ref"], "parameters": action["parameters"]},
        "runner": {"name": runner["name"], "runner_parameters": runner["runner_parameters"]},
        "parameters": masked(action["parameters"], execution["parameters"]),
        "status": execution["status"],
    }


def _trace_view(trace: Document) -> Document:
    return {"uid": f"trace:{trace['id']}", **trace}


def _known(document: Document | None, id_: str) -> Document:
    if document is None:
        raise Fault(404, f'Unable to identify resource with id "{id_}".')
    return document
