"""One workflow: what its conductor wants is launched, and what became of that is told to the conductor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from orchestrator.stackstorm.embedded.executions import USER, Origin
from orchestrator.stackstorm.embedded.marks import new_id
from orchestrator.stackstorm.embedded.orquesta import statuses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.embedded.executions import Document
    from orchestrator.stackstorm.embedded.orquesta.conductor import Conductor
    from orchestrator.stackstorm.embedded.orquesta.requests import ActionRequest, TaskRequest

MOST_ROUNDS: Final = 20
_PASSED_ON: Final = ("api_user", "source_channel")
_TOLD: Final = statuses.COMPLETED | {statuses.PAUSED, statuses.PENDING}


class ActionNotFound(Exception):
    """A task names an action that is not there. The name of the class shows in the workflow's errors."""


class Stalled(Exception):
    """A workflow that no action can move on any more; better failed than running for ever."""


class Launcher(Protocol):
    """What a workflow needs from the engine."""

    def launch(self, action: str, given: Mapping[str, Any], origin: Origin, delay: float) -> None:
        """Request an action as part of a workflow; raises Fault, ParameterError or ActionNotFound."""


@dataclass(slots=True)
class WorkflowRun:
    """A workflow execution; on the control thread only. `execution` is the document of its action execution as it is.

    `task_executions` gives the id under which the latest run of each task on each route is known to its actions.
    """

    id: str
    execution: Document
    definition: str
    conductor: Conductor
    task_executions: dict[str, str] = field(default_factory=dict)
    more: bool = False

    @property
    def status(self) -> str:
        """The workflow's status, which its execution is to show."""
        return self.conductor.status

    @property
    def result(self) -> Document:
        """What the execution shows as its result now."""
        result: Document = {"output": self.conductor.output or None}
        if self.status in statuses.ABENDED:
            result["errors"] = self.conductor.errors
        return result

    def advance(self, launcher: Launcher) -> None:
        """Launch what can run now.

        Tasks that end at once lead to others; after some rounds of these the rest waits (`more`) for another turn, so
        that a workflow that runs in circles holds up nothing.
        """
        for _ in range(MOST_ROUNDS):
            requests = self.conductor.next_tasks()
            self.more = bool(requests)
            if not requests or not all(self._begin(request) for request in requests):
                break
            for request in requests:
                if not self._launch(request, launcher):
                    break

    def child_ended(self, child: Document) -> None:
        """Tell the conductor that an action has ended, or waits for a response, or has paused."""
        if child["status"] in _TOLD:
            task, route, item = place(child)
            self._tell(task, route, child["status"], child.get("result"), item)

    def child_resumed(self, child: Document) -> None:
        """Tell the conductor that an action which had paused runs again."""
        task, route, item = place(child)
        if self.status in statuses.PAUSE or self.status == statuses.RESUMING:
            self.conductor.request(statuses.RUNNING)
        self.conductor.action_started(task, route, item)

    def _begin(self, request: TaskRequest) -> bool:
        try:
            for item in [action.item for action in request.actions] or [None]:
                self.conductor.action_started(request.task, request.route, item)
        except Exception as error:  # noqa: BLE001 what a workflow's expressions do wrong fails the workflow, not us
            self.conductor.fail(error, request.task, request.route)
            return False
        return True

    def _launch(self, request: TaskRequest, launcher: Launcher) -> bool:
        for action in request.actions:
            if action.action is None:
                self._tell(request.task, request.route, statuses.SUCCEEDED, None, action.item)
        if not request.actions:
            self._tell(request.task, request.route, statuses.SUCCEEDED, [], None)
        key = f"{request.task}|{request.route}"
        goes_on = request.actions and request.actions[0].item
        if not goes_on or key not in self.task_executions:
            self.task_executions[key] = new_id()
        try:
            for action in request.actions:
                if action.action is not None:
                    origin = self._origin(request, action)
                    launcher.launch(action.action, action.input, origin, request.delay_of(action))
        except Exception as error:  # noqa: BLE001 as above
            self.conductor.fail(error, request.task, request.route)
            return False
        return True

    def _tell(self, task: str, route: int, status: str, result: Any, item: int | None) -> None:
        try:
            self.conductor.action_ended(task, route, status, result, item)
        except Exception as error:  # noqa: BLE001 as above
            self.conductor.fail(error, task, route)

    def _origin(self, request: TaskRequest, action: ActionRequest) -> Origin:
        own = self.execution
        context = own["context"]
        parent = {"execution_id": own["id"], "user": context.get("user", USER), "pack": own["action"]["pack"]}
        parent |= {name: context[name] for name in _PASSED_ON if name in context}
        task_execution = self.task_executions[f"{request.task}|{request.route}"]
        orquesta = {
            "workflow_execution_id": self.id,
            "task_execution_id": task_execution,
            "task_name": request.task,
            "task_id": request.task,
            "task_route": request.route,
        }
        if action.item is not None:
            orquesta["item_id"] = action.item
        passed = {name: context[name] for name in _PASSED_ON if name in context}
        return Origin(
            {"user": parent["user"], "parent": parent, "orquesta": orquesta, **passed},
            {"workflow_execution": self.id, "task_execution": task_execution, "parent": own["id"]},
        )


def place(child: Document) -> tuple[str, int, int | None]:
    """Give the task, the route and the item that an execution runs for in its workflow."""
    orquesta = child["context"]["orquesta"]
    return orquesta["task_id"], orquesta["task_route"], orquesta.get("item_id")
