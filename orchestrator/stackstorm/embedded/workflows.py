"""One running workflow: obeys its conductor, and tells it what became of the actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from orchestrator.stackstorm.embedded.errors import Fault, ParameterError
from orchestrator.stackstorm.embedded.executions import USER
from orchestrator.stackstorm.embedded.marks import new_id
from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.orquesta.conductor import Conductor, TaskRequest
from orchestrator.stackstorm.embedded.orquesta.scope import ExpressionError

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.executions import Document
    from orchestrator.stackstorm.embedded.orquesta.spec import WorkflowSpec


class Launcher(Protocol):
    """What a workflow needs from the engine."""

    def launch(self, action: str, given: dict[str, Any], context: Document, extra: Document, delay: float) -> str:
        """Request an action as part of a workflow; answers the execution's id, raises Fault or ParameterError."""

    def workflow_changed(self, execution: str, status: str, result: Document) -> None:
        """Record a workflow's status."""


class ActionNotFound(Exception):
    """A task names an action that is not there. The name of the class shows in the workflow's errors."""


class Stalled(Exception):
    """A workflow that no action can move on any more; better failed than running for ever."""


class WorkflowRun:
    """Runs on the control thread only."""

    def __init__(
        self, launcher: Launcher, execution: Document, spec: WorkflowSpec, inputs: Document, api_url: str
    ) -> None:
        self.id = new_id()
        self._launcher = launcher
        self._execution = execution
        self._running: dict[str, TaskRequest] = {}
        st2 = {
            "action_execution_id": execution["id"],
            "api_url": api_url,
            "user": execution["context"].get("user", USER),
            "pack": execution["action"]["pack"],
            "action": execution["action"]["ref"],
            "runner": execution["runner"],
            "workflow_execution_id": self.id,
        }
        self._conductor = Conductor(spec, {"st2": st2, "parent": execution["context"]}, inputs)

    @property
    def over(self) -> bool:
        """Tell whether it has ended and none of its actions is still running."""
        return self._conductor.status in statuses.COMPLETED and not self._running

    def start(self) -> None:
        """Launch the first tasks."""
        self._conductor.start()
        self._advance()

    def action_ended(self, execution: str, status: str, result: Any) -> None:
        """Take note of an action's end and go on."""
        request = self._running.pop(execution, None)
        if request is not None:
            self._end(request, status, result)
            self._advance()

    def _advance(self) -> None:
        while requests := self._conductor.next_tasks():
            for request in [request for request in requests if self._begin(request)]:
                self._run(request)
        if not self._running and self._conductor.status not in statuses.COMPLETED:
            self._conductor.fail(Stalled("Nothing of this workflow is running, and nothing more can run."))
        self._report()

    def _begin(self, request: TaskRequest) -> bool:
        try:
            self._conductor.task_started(request.task, request.route)
        except (ExpressionError, TypeError) as error:
            self._conductor.fail(error, request.task, request.route)
            return False
        return True

    def _end(self, request: TaskRequest, status: str, result: Any) -> None:
        try:
            self._conductor.task_ended(request.task, request.route, status, result)
        except (ExpressionError, TypeError) as error:
            self._conductor.fail(error, request.task, request.route)

    def _run(self, request: TaskRequest) -> None:
        if request.action is None:
            self._end(request, statuses.SUCCEEDED, None)
            return
        try:
            child = self._launch(request, request.action)
        except (Fault, ParameterError, ActionNotFound) as error:
            self._conductor.fail(error, request.task, request.route)
        else:
            self._running[child] = request

    def _launch(self, request: TaskRequest, action: str) -> str:
        own = self._execution
        parent = {"execution_id": own["id"], "user": own["context"].get("user", USER), "pack": own["action"]["pack"]}
        task_execution = new_id()
        orquesta = {
            "workflow_execution_id": self.id,
            "task_execution_id": task_execution,
            "task_name": request.task,
            "task_id": request.task,
            "task_route": request.route,
        }
        return self._launcher.launch(
            action,
            request.input,
            {"user": parent["user"], "parent": parent, "orquesta": orquesta},
            {"workflow_execution": self.id, "task_execution": task_execution, "parent": own["id"]},
            request.delay,
        )

    def _report(self) -> None:
        self._conductor.finish()
        if self._conductor.status in statuses.COMPLETED:
            result: Document = {"output": self._conductor.output}
            if self._conductor.status in statuses.ABENDED:
                result["errors"] = self._conductor.errors
            self._launcher.workflow_changed(self._execution["id"], self._conductor.status, result)
