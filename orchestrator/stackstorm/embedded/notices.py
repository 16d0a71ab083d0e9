"""What an ended execution tells the routes that its action's `notify` names: pure functions."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded.errors import ParameterError
from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.rules import templates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from orchestrator.stackstorm.embedded.executions import Document

# A part of `notify` -> the statuses it is for, and the last word of the message where it has none.
_PARTS: Final[dict[str, tuple[Callable[[str], bool], str]]] = {
    "on-complete": (lambda _: True, "completed."),
    "on-success": (lambda status: status == statuses.SUCCEEDED, "succeeded."),
    "on-failure": (lambda status: status in statuses.ABENDED, "failed."),
}
log = logging.getLogger(__name__)


def notices(execution: Document, workflow: Document | None, names: Mapping[str, Any]) -> Iterator[Document]:
    """Give the payloads of core.st2.generic.notifytrigger, one for each route.

    `workflow` is the execution that this one is a task of, if any: such a one notifies only where the workflow does too
    and lists the task in its parameter `notify`. `names` is what templates know besides the execution.
    """
    asked = asked_of(execution)
    if workflow is not None and not _asked_for(execution, workflow):
        return
    for part, (wanted, word) in _PARTS.items():
        notice = asked.get(part) or {}
        routes = notice.get("routes") or notice.get("channels") or []
        if routes and wanted(execution["status"]):
            told = _told(execution, notice, word, names)
            yield from ({**told, "route": route, "channel": route} for route in routes)


def asked_of(execution: Document) -> Document:
    """Give whom an execution is to notify: as its request says, else as its action says."""
    asked: Document = execution.get("notify") or execution["action"].get("notify") or {}
    return asked


def _asked_for(execution: Document, workflow: Document) -> bool:
    task = execution["context"].get("orquesta", {}).get("task_name")
    return bool(asked_of(workflow)) and task in (workflow["parameters"].get("notify") or [])


def _told(execution: Document, notice: Mapping[str, Any], word: str, names: Mapping[str, Any]) -> Document:
    ref = execution["action"]["ref"]
    known = {
        **names,
        "action_parameters": execution["parameters"],
        "action_context": execution["context"],
        "action_results": execution.get("result"),
    }
    data = {name: _rendered(name, value, known) for name, value in (notice.get("data") or {}).items()}
    return {
        "message": _rendered("message", notice.get("message") or f"Action {ref} {word}", known),
        "data": {**data, "result": json.dumps(execution.get("result"))},
        "execution_id": execution["id"],
        "status": execution["status"],
        "start_timestamp": execution["start_timestamp"],
        "end_timestamp": execution["end_timestamp"],
        "action_ref": ref,
        "runner_ref": execution["runner"],
    }


def _rendered(name: str, value: Any, names: Mapping[str, Any]) -> Any:
    """Render a template; one that cannot be is told as it stands, as StackStorm does."""
    if not templates.is_template(value):
        return value
    try:
        return templates.render(name, value, names)
    except ParameterError as error:
        log.warning("notice.not_rendered reason=%s", error)
        return value
