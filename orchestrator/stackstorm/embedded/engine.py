"""The engine: triggers match rules, rules request executions, executions run. All decisions on the control thread."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded import parameters
from orchestrator.stackstorm.embedded.content.schemas import first_problem, standard
from orchestrator.stackstorm.embedded.control import Control
from orchestrator.stackstorm.embedded.errors import Fault, ParameterError
from orchestrator.stackstorm.embedded.executions import USER, Document, moved, requested
from orchestrator.stackstorm.embedded.marks import new_id, timestamp
from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.rules import criteria
from orchestrator.stackstorm.embedded.runners.catalog import NOOP, ORQUESTA
from orchestrator.stackstorm.embedded.workflows import ActionNotFound, WorkflowRun

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.embedded.content.library import Library
    from orchestrator.stackstorm.embedded.content.values import Action, Rule
    from orchestrator.stackstorm.embedded.runners.warm_processes import WarmProcesses
    from orchestrator.stackstorm.embedded.store import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an execution comes from: its context, what its document says besides, what templates may name besides."""

    context: Mapping[str, Any]
    extra: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, Any] = field(default_factory=dict)


class Engine:
    """Ties content, store and runners together. The public methods may be called from any thread."""

    def __init__(self, library: Library, store: Store, processes: WarmProcesses, api_url: str, slots: int = 8) -> None:
        self._library = library
        self._store = store
        self._processes = processes
        self._api_url = api_url
        self._control = Control()
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="action")
        self._workflows: dict[str, WorkflowRun] = {}

    def start(self) -> None:
        """End what a killed process left unfinished, match what it left pending, then serve."""
        for document in self._store.unfinished():
            error = {"error": "The process that ran this execution ended before it did.", "traceback": ""}
            self._store.put_execution(moved(document, statuses.ABANDONED, error))
        for instance, trace_tag in self._store.pending_instances():
            self._control.post(partial(self._match, instance, trace_tag))
        self._control.start()

    def stop(self) -> None:
        """Stop deciding; running actions are killed with their warm processes."""
        self._control.stop()
        self._processes.close()
        self._pool.shutdown(wait=True, cancel_futures=True)

    # Triggers and rules

    def emit(self, trigger: str, payload: Any, trace_tag: str) -> Document:
        """Accept a trigger: stored before this returns. Raises Fault 400 for one that is unknown or does not fit."""
        kind = self._library.content.triggers.get(trigger)
        if kind is None:
            raise Fault(400, f'Trigger type with reference "{trigger}" doesn\'t exist in the database')
        schema = kind.document.get("payload_schema")
        problem = first_problem(payload or {}, standard(schema)) if schema else None
        if problem is not None:
            raise Fault(400, problem[1])
        now = timestamp()
        id_, trace = new_id(), new_id()
        instance: Document = {"trigger": trigger, "occurrence_time": now, "status": "pending", "id": id_}
        instance["payload"] = payload or {}
        self._store.put_trigger_instance(instance, trace_tag)
        self._store.new_trace(trace, trace_tag, now)
        self._trace(trace, "trigger_instances", id_, trigger, {})
        self._control.post(partial(self._match, instance, trace_tag))
        return instance

    def _match(self, instance: Document, trace_tag: str) -> None:
        before, _ = self._store.page("enforcements", {"trigger_instance": instance["id"]}, 1000, 0, newest_first=False)
        done = {enforcement["rule"]["ref"] for enforcement in before}
        for rule in sorted(self._library.content.rules.values(), key=lambda rule: rule.ref):
            if rule.enabled and rule.trigger == instance["trigger"] and rule.ref not in done:
                self._apply(rule, instance)
        self._store.put_trigger_instance({**instance, "status": "processed"}, trace_tag)

    def _apply(self, rule: Rule, instance: Document) -> None:
        try:
            if not criteria.holds(rule.criteria, instance["payload"], datetime.now(UTC)):
                return
            execution = self._enforce(rule, instance)
        except (ParameterError, Fault) as error:
            self._record(rule, instance, failure_reason=str(error))
        except Exception as error:  # noqa: BLE001 a comparison that raises makes the rule not match, and is recorded
            self._record(
                rule, instance, failure_reason=f'Failed to match rule "{rule.ref}": {type(error).__name__}: {error}'
            )
        else:
            self._record(rule, instance, execution_id=execution["id"])

    def _enforce(self, rule: Rule, instance: Document) -> Document:
        action = self._library.content.actions[rule.action]
        trace = self._store.trace_of(instance["id"])
        context = {
            "trigger_instance": {"id": instance["id"], "name": None},
            "rule": {"id": rule.id, "name": rule.name},
            "user": USER,
            "pack": action.pack,
            "trace_context": {"id_": trace},
        }
        if trace:
            self._trace(trace, "rules", rule.id, rule.ref, {"type": "trigger_instance", "id": instance["id"]})
        extra = {
            "rule": {**rule.document, "id": rule.id},
            "trigger": {"type": rule.trigger, "ref": rule.trigger, "name": rule.trigger.split(".", 1)[-1]},
            "trigger_type": {"ref": rule.trigger},
            "trigger_instance": instance,
        }
        return self._request(action, rule.parameters, Origin(context, extra, {"trigger": instance["payload"]}))

    def _record(self, rule: Rule, instance: Document, **outcome: str) -> None:
        failed = "failure_reason" in outcome
        if failed:
            log.warning("rule.enforcement_failed rule=%s reason=%s", rule.ref, outcome["failure_reason"])
        self._store.put_enforcement(
            {
                "trigger_instance_id": instance["id"],
                **outcome,
                "rule": {"ref": rule.ref, "id": rule.id, "uid": rule.uid},
                "enforced_at": timestamp(),
                "status": "failed" if failed else "succeeded",
                "id": new_id(),
            }
        )

    # Executions

    def request(self, action: str, given: Mapping[str, Any], context: Mapping[str, Any]) -> Document:
        """Accept an execution that somebody asks for; raises Fault 400."""
        found = self._library.content.actions.get(action)
        if found is None:
            raise Fault(400, f'Action "{action}" cannot be found.')
        try:
            return self._request(found, given, Origin(context))
        except ParameterError as error:
            raise Fault(400, str(error)) from None

    def launch(self, action: str, given: dict[str, Any], context: Document, extra: Document, delay: float) -> str:
        """Request an action as part of a workflow; answers its id."""
        found = self._library.content.actions.get(action)
        if found is None:
            raise ActionNotFound(f'Unable to find action "{action}".')
        id_: str = self._request(found, given, Origin(context, extra), delay)["id"]
        return id_

    def _request(self, action: Action, given: Mapping[str, Any], origin: Origin, delay: float = 0) -> Document:
        if not action.enabled:
            raise Fault(400, f'Unable to execute. Action "{action.ref}" is disabled.')
        names = {**origin.names, **self._library.template_names(action.pack, dict(origin.context))}
        document = requested(action, parameters.live(action, given, names), origin.context, origin.extra)
        if delay > 0:
            document = moved(document, statuses.DELAYED)
        self._store.put_execution(document)
        if delay > 0:
            self._control.after(delay, lambda: self._run(action, document))
        else:
            self._control.post(lambda: self._run(action, document))
        return document

    def _run(self, action: Action, document: Document) -> None:
        document = moved(moved(document, statuses.SCHEDULED), statuses.RUNNING)
        self._store.put_execution(document)
        self._trace_execution(document)
        runner, own = parameters.final(action, document["parameters"])
        if action.runner_type == NOOP:
            self._ended(document["id"], statuses.SUCCEEDED, None)
        elif action.runner_type == ORQUESTA and action.workflow is not None:
            workflow = WorkflowRun(self, document, action.workflow, own, self._api_url)
            context = {**document["context"], "workflow_execution": workflow.id}
            self._store.put_execution({**document, "context": context})
            self._workflows[document["id"]] = workflow
            workflow.start()
        else:
            self._pool.submit(self._run_python, action, document["id"], runner, own)

    def _run_python(self, action: Action, execution: str, runner: Document, own: Document) -> None:
        try:
            ended = self._processes.run(self._library.content.packs[action.pack], action, execution, runner, own)
            status, result = ended.status, ended.result
        except Exception as error:
            log.exception("action.run_failed execution=%s", execution)
            status, result = statuses.FAILED, {"error": f"{type(error).__name__}: {error}", "traceback": ""}
        self._control.post(lambda: self._ended(execution, status, result))

    def workflow_changed(self, execution: str, status: str, result: Document) -> None:
        """Record that a workflow has ended; once."""
        document = self._store.execution(execution)
        if document is not None and document["status"] not in statuses.COMPLETED:
            self._control.post(lambda: self._ended(execution, status, result))

    def _ended(self, execution: str, status: str, result: Any) -> None:
        document = self._store.execution(execution)
        if document is None or document["status"] in statuses.COMPLETED:
            return
        self._store.put_execution(moved(document, status, result))
        parent = document.get("parent")
        if parent in self._workflows:
            self._workflows[parent].action_ended(execution, status, result)
        for id_ in (execution, parent):
            if id_ in self._workflows and self._workflows[id_].over:
                del self._workflows[id_]

    # Traces

    def _trace_execution(self, document: Document) -> None:
        parent, rule = document.get("parent"), document.get("rule")
        origin = parent or (document["trigger_instance"]["id"] if rule else None)
        trace = self._store.trace_of(origin) if origin else None
        if trace is None:
            trace = new_id()
            asked = document["context"].get("trace_context", {}).get("trace_tag")
            self._store.new_trace(trace, asked or f"execution-{document['liveaction_id']}", timestamp())
        caused_by: Document = {}
        if parent:
            caused_by = {"type": "action_execution", "id": parent}
        elif rule:
            caused_by = {"type": "rule", "id": f"{rule['id']}:{document['trigger_instance']['id']}"}
        self._trace(trace, "action_executions", document["id"], document["action"]["ref"], caused_by)

    def _trace(self, trace: str, kind: str, object_id: str, ref: str, caused_by: Document) -> None:
        part = {"object_id": object_id, "ref": ref, "updated_at": timestamp(), "caused_by": caused_by}
        self._store.add_to_trace(trace, kind, part)
