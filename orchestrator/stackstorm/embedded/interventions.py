"""What a person asks of an execution: to pause, to go on, to be canceled, to run again, to take a response."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded import inquiries
from orchestrator.stackstorm.embedded.errors import Fault
from orchestrator.stackstorm.embedded.executions import USER, in_context, moved
from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.runners.catalog import ORQUESTA

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from orchestrator.stackstorm.embedded.executing import Executing
    from orchestrator.stackstorm.embedded.executions import Document
    from orchestrator.stackstorm.embedded.store import Store
    from orchestrator.stackstorm.embedded.workflow_run import WorkflowRun

CANCELABLE: Final = statuses.ACTIVE - {statuses.CANCELING} | {statuses.PAUSED}
_MILLISECONDS: Final = 1000


class Interventions:
    """The public methods up to `rerun` may be called from any thread; they raise Fault as StackStorm's API answers."""

    def __init__(self, executing: Executing, store: Store) -> None:
        self._executing = executing
        self._workflows = executing.workflows
        self._store = store

    def cancel(self, execution: str, user: str = USER) -> Document:
        """Cancel an execution: what runs for it is killed, a workflow launches nothing more."""
        return self._executing.turns.call(partial(self._cancel, execution, user))

    def pause(self, execution: str, user: str = USER) -> Document:
        """Let a workflow launch nothing more; it is paused once its actions have ended."""
        return self._executing.turns.call(partial(self._pause, execution, user))

    def resume(self, execution: str, user: str = USER) -> Document:
        """Let a paused workflow go on."""
        return self._executing.turns.call(partial(self._resume, execution, user))

    def respond(self, inquiry: str, response: Any, user: str = USER) -> None:
        """Answer an inquiry: it succeeds with the response in its result, and its workflow goes on."""
        self._executing.turns.call(partial(self._respond, inquiry, response, user))

    def rerun(self, execution: str, asked: Mapping[str, Any], user: str = USER, *, merge: bool = True) -> Document:
        """Run an execution's action again; with `tasks`, an ended workflow from these; `delay` is in milliseconds."""
        tasks, reset, changed = asked.get("tasks") or [], asked.get("reset") or [], asked.get("parameters") or {}
        if (tasks or reset) and changed:
            raise Fault(400, "Parameters override is not supported when re-running task(s) for a workflow.")
        if set(reset) - set(tasks):
            raise Fault(400, "List of tasks to reset does not match the tasks to rerun.")
        before = self._known(execution)
        if tasks and before["runner"] != ORQUESTA:
            raise Fault(400, "Task option is only supported for Orquesta workflows.")
        named = {name: value for name, value in (("tasks", tasks), ("reset", reset)) if value}
        context: Document = {"user": user, "re-run": {"ref": execution, **named}}
        trace = self._store.traces.of(execution)
        context |= {"trace_context": {"id_": trace[0]}} if trace else {}
        given = {**(before["parameters"] if merge else {}), **changed}
        delay = (asked.get("delay") or 0) / _MILLISECONDS
        return self._executing.ask(before["action"]["ref"], given, context, delay)

    def expired(self, inquiry: Document) -> None:
        """Let an inquiry time out that nobody has responded to; for the control thread."""
        self._end(inquiry, statuses.TIMEOUT, inquiry["result"], USER)

    def _cancel(self, id_: str, user: str) -> Document:
        document = self._known(id_)
        if document["status"] == statuses.CANCELED:
            return document
        if document["status"] not in CANCELABLE:
            raise Fault(200, f"Action cannot be canceled. State = {document['status']}.")
        return self._begin_cancel(document, user)

    def _pause(self, id_: str, user: str) -> Document:
        document = self._workflow(id_, "pause")
        if document["status"] in statuses.PAUSE:
            return document
        if document["status"] != statuses.RUNNING:
            raise Fault(400, _refusal("pause", document, "it is not in a running state."))
        return self._begin_pause(document, user)

    def _resume(self, id_: str, user: str) -> Document:
        document = self._workflow(id_, "resume")
        if document["status"] in (statuses.RUNNING, statuses.RESUMING):
            return document
        if document["status"] != statuses.PAUSED:
            why = f'it is in "{document["status"]}" state and not in "paused" state.'
            raise Fault(400, _refusal("resume", document, why))
        return self._begin_resume(document, user)

    def _respond(self, id_: str, response: Any, user: str) -> None:
        inquiry = self._known(id_)
        inquiries.check(inquiry)
        inquiries.check_response(inquiry, response, user)
        self._end(inquiry, statuses.SUCCEEDED, {**inquiry["result"], "response": response}, user)

    def _end(self, inquiry: Document, status: str, result: Document, user: str) -> None:
        """End an inquiry; a workflow that waited for nothing else goes on first, as StackStorm has it."""
        parent = self._store.executions.get(inquiry["parent"]) if "parent" in inquiry else None
        if parent is not None and parent["status"] == statuses.PAUSED:
            self._begin_resume(parent, user)
        self._executing.finish(moved(inquiry, status, result=result))

    def _begin_cancel(self, document: Document, user: str | None) -> Document:
        under_way = "parent" in document["context"] or document["status"] == statuses.RUNNING
        status = statuses.CANCELING if under_way else statuses.CANCELED
        message = {"message": "Action canceled by user.", "user": user}
        document = self._keep(moved(in_context(document, cancelled_by=user), status, result=message))
        run = self._workflows.of(document)
        if run is not None:
            self._cancel_workflow(run)
        elif document["id"] in self._executing.running:
            self._executing.kill(document["id"])
        elif document["status"] == statuses.CANCELING:
            self._executing.finish(moved(document, statuses.CANCELED))
        return document

    def _begin_pause(self, document: Document, user: str) -> Document:
        document = self._keep(_by(document, statuses.PAUSING, user))
        run = self._workflows.of(document)
        if run is not None:
            self._pause_workflow(run)
        return document

    def _begin_resume(self, document: Document, user: str) -> Document:
        document = self._keep(_by(document, statuses.RESUMING, user))
        run = self._workflows.of(document)
        if run is not None:
            self._resume_workflow(run)
        return document

    def _cancel_workflow(self, run: WorkflowRun) -> None:
        """Cancel a workflow, those below and the one on top; its actions that run may end, the delayed never begin."""
        if run.status not in statuses.COMPLETED:
            run.conductor.request(statuses.CANCELED)
        self._cancel_root(run.execution)
        for child in self._below(run, statuses.ACTIVE | {statuses.PAUSED}):
            stops = CANCELABLE if child["runner"] == ORQUESTA else {statuses.DELAYED}
            if child["status"] in stops:
                self._begin_cancel(child, child["context"].get("user", USER))
        if run.status == statuses.CANCELED and run.execution["status"] == statuses.CANCELING:
            run.execution = moved(run.execution, statuses.CANCELED)
            self._executing.finish(run.execution)
        self._workflows.report(run)

    def _cancel_root(self, document: Document) -> None:
        root = document
        while "parent" in root:
            root = self._known(root["parent"])
        if root["id"] != document["id"] and root["status"] in CANCELABLE:
            self._begin_cancel(root, None)

    def _pause_workflow(self, run: WorkflowRun) -> None:
        run.conductor.request(statuses.PAUSED)
        for child in self._below(run, {statuses.RUNNING}):
            if child["runner"] == ORQUESTA:
                self._begin_pause(child, child["context"].get("user", USER))
        self._workflows.report(run)

    def _resume_workflow(self, run: WorkflowRun) -> None:
        if run.status in statuses.PAUSE:
            run.conductor.request(statuses.RESUMING)
        for child in self._below(run, {statuses.PAUSED}):
            if child["runner"] == ORQUESTA:
                self._begin_resume(child, child["context"].get("user", USER))
        self._workflows.advance(run)
        self._workflows.child_resumed(run.execution)

    def _keep(self, document: Document) -> Document:
        run = self._workflows.of(document)
        if run is not None:
            run.execution = document
        if document["id"] in self._executing.running:
            self._executing.running[document["id"]] = document
        if document["status"] in statuses.COMPLETED:
            self._executing.finish(document)
        else:
            self._store.executions.move(document)
        return document

    def _below(self, run: WorkflowRun, among: Collection[str]) -> Iterator[Document]:
        """Give the actions of a workflow that have one of these statuses, each as it is when its turn comes."""
        for id_, _, status in self._store.executions.child_statuses(run.execution["id"]):
            child = self._known(id_) if status in among else None
            if child is not None and child["status"] in among:
                yield child

    def _known(self, id_: str) -> Document:
        document = self._store.executions.get(id_)
        if document is None:
            raise Fault(404, f'Unable to identify resource with id "{id_}".')
        return document

    def _workflow(self, id_: str, verb: str) -> Document:
        document = self._known(id_)
        if document["status"] in statuses.COMPLETED:
            raise Fault(400, "Execution is already in completed state.")
        if document["runner"] != ORQUESTA:
            raise Fault(400, _refusal(verb, document, f'it is not supported by the "{document["runner"]}" runner.'))
        return document


def _by(document: Document, status: str, user: str) -> Document:
    """Give the document in its next status, with who asked for it in its context."""
    name = "paused_by" if status == statuses.PAUSING else "resumed_by"
    return moved(in_context(document, **{name: user}), status)


def _refusal(verb: str, document: Document, why: str) -> str:
    return f'Failed updating execution. Unable to {verb} liveaction "{document["liveaction_id"]}" because {why}'
