"""What the function task() of a workflow's expressions shows of a task: the outcome of its latest run."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.workflow_run import place

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.stackstorm.embedded.executions import Document
    from orchestrator.stackstorm.embedded.orquesta.state import Run


def task_view(workflow: str, run: Run, among: Iterable[Document]) -> Document:
    """Show a task's latest run; `among` holds the executions of its workflow, oldest first.

    A task with items has the statuses and results of these as its result, one without an action an empty one.
    """
    own = [child for child in among if place(child)[:2] == (run.task, run.route)]
    last = own[-1]["task_execution"] if own else ""
    own = [child for child in own if child["task_execution"] == last]
    return {
        "task_execution_id": last,
        "workflow_execution_id": workflow,
        "task_name": run.task,
        "task_id": run.task,
        "route": run.route,
        "result": _result(own),
        "status": run.status,
        "start_timestamp": _moment(own[0].get("start_timestamp") if own else None),
        "end_timestamp": _moment(own[-1].get("end_timestamp") if own else None),
    }


def _result(own: list[Document]) -> Any:
    items = {place(child)[2]: child for child in own}
    if None in items or not items:
        return own[-1].get("result") if own else {}
    ordered = [items[item] for item in sorted(item for item in items if item is not None)]
    return {"items": [{"status": child["status"], "result": child.get("result")} for child in ordered]}


def _moment(timestamp: str | None) -> str:
    """Write a time as Python does, which StackStorm shows here."""
    return str(datetime.fromisoformat(timestamp)) if timestamp else "None"
