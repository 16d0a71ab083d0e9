"""An execution as a document: how it begins, and how it moves from status to status."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.marks import new_id, seconds_between, timestamp
from orchestrator.stackstorm.embedded.orquesta import statuses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.embedded.content.values import Action

Document = dict[str, Any]
USER = "stanley"


def action_view(action: Action) -> Document:
    """Give an action as the API shows it."""
    document = action.document
    return {
        "tags": document.get("tags", []),
        "uid": action.uid,
        "metadata_file": document.get("metadata_file", ""),
        "name": action.name,
        "ref": action.ref,
        **({"description": document["description"]} if document.get("description") else {}),
        "enabled": action.enabled,
        "entry_point": document.get("entry_point", ""),
        "pack": action.pack,
        "runner_type": action.runner_type,
        "parameters": dict(action.parameters),
        "output_schema": document.get("output_schema", {}),
        "notify": document.get("notify", {}),
        "id": action.id,
    }


def requested(
    action: Action, parameters: Mapping[str, Any], context: Mapping[str, Any], extra: Mapping[str, Any]
) -> Document:
    """Make the document of a new execution; `extra` says where it came from (rule, parent, workflow)."""
    now = timestamp()
    return {
        "id": new_id(),
        "action": action_view(action),
        "runner": action.runner_type,
        "liveaction_id": new_id(),
        "status": statuses.REQUESTED,
        "start_timestamp": now,
        "parameters": dict(parameters),
        "context": {**context, "user": context.get("user", USER), "pack": action.pack},
        "log": [{"timestamp": now, "status": statuses.REQUESTED}],
        **extra,
    }


def moved(document: Document, status: str, result: Any = None) -> Document:
    """Give the document in its next status; a final one sets the end and the result."""
    now = timestamp()
    later = {**document, "status": status, "log": [*document["log"], {"timestamp": now, "status": status}]}
    if status in statuses.COMPLETED:
        later["end_timestamp"] = now
        later["elapsed_seconds"] = round(seconds_between(document["start_timestamp"], now), 6)
        if result is not None:
            later["result"] = result
            later["result_size"] = len(json.dumps(result))
    return later
