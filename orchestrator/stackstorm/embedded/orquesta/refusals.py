"""What may not be asked of a workflow; the classes bear the names that the real conductor shows to users."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Refused(Exception):
    """Something was asked of a workflow that its status, or the language, does not allow."""


class InvalidWorkflowStatusTransition(Refused):
    """A workflow was asked for a status that cannot follow the one it has."""

    def __init__(self, before: str, asked: str) -> None:
        super().__init__(f'Unable to process event "workflow_{asked}" for workflow in "{before}" status.')


class WorkflowIsActiveAndNotRerunableError(Refused):
    """A workflow was asked to run again before it ended."""

    def __init__(self) -> None:
        super().__init__("Unable to rerun workflow because it is not in a completed state.")


class InvalidTaskRerunRequest(Refused):
    """A task was named to run again that did not run, or all of whose items succeeded."""

    def __init__(self, *, unknown: Iterable[str] = (), done: Iterable[str] = ()) -> None:
        named = ",".join(unknown)
        if named:
            super().__init__(f"Unable to rerun workflow because one or more tasks is not found: {named}")
        else:
            routes = ", ".join(done)
            super().__init__(f"Unable to rerun task|route(s) because it doesn't exist or isn't rerunnable: {routes}")


class InvalidTaskStateEntry(Refused):
    """Something was told of a task that no way has led to."""

    def __init__(self, task: str) -> None:
        super().__init__(f'Task "{task}" is not staged or has not started yet.')
