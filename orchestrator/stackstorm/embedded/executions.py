"""An execution as a document: how it begins, and how it moves from status to status."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded.marks import new_id, seconds_between, timestamp
from orchestrator.stackstorm.embedded.orquesta import statuses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.embedded.content.values import Action

Document = dict[str, Any]
USER = "stanley"
_UNCHANGED: Final = object()
_SHORTEST: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_ENDS: Final = frozenset({statuses.SUCCEEDED, statuses.FAILED})
_CANCEL: Final = frozenset({statuses.CANCELING, statuses.CANCELED})
_PAUSE: Final = frozenset({statuses.PAUSING, statuses.PAUSED})
# From each status to those that may follow it. A workflow may go every way, an action those without pause.
MOVES: Final[Mapping[str, frozenset[str]]] = {
    statuses.REQUESTED: _CANCEL | {statuses.SCHEDULED, statuses.DELAYED, statuses.FAILED},
    statuses.DELAYED: _CANCEL | {statuses.SCHEDULED, statuses.FAILED},
    statuses.SCHEDULED: _CANCEL | {statuses.RUNNING, statuses.FAILED},
    statuses.RUNNING: _CANCEL | _PAUSE | _ENDS | {statuses.PENDING, statuses.TIMEOUT, statuses.ABANDONED},
    statuses.PENDING: _ENDS | {statuses.TIMEOUT},
    statuses.PAUSING: _CANCEL | _ENDS | {statuses.PAUSED, statuses.RESUMING, statuses.RUNNING},
    statuses.PAUSED: _CANCEL | _ENDS | {statuses.RESUMING, statuses.RUNNING},
    statuses.RESUMING: _CANCEL | _PAUSE | _ENDS | {statuses.RUNNING},
    statuses.CANCELING: frozenset({statuses.CANCELED, statuses.FAILED}),
    **{status: frozenset() for status in statuses.COMPLETED},
}


class IllegalMove(Exception):
    """A change of status that StackStorm does not know."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an execution comes from: its context, what its document says besides, what templates may name besides."""

    context: Mapping[str, Any]
    extra: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, Any] = field(default_factory=dict)


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


def moved(document: Document, *path: str, result: Any = _UNCHANGED) -> Document:
    """Give the document after it has gone through these statuses; a final one sets the end, `result` replaces it.

    Raises IllegalMove for a way that StackStorm's executions do not go.
    """
    now = timestamp()
    for before, after in pairwise((document["status"], *path)):
        if after not in MOVES[before]:
            raise IllegalMove(f"expected execution {document['id']} to go from {before} to one of "
                              f"{', '.join(sorted(MOVES[before])) or 'nothing'}, got {after}")  # fmt: skip
    log = [*document["log"], *({"timestamp": now, "status": status} for status in path)]
    later = {**document, "status": path[-1], "log": log}
    if path[-1] in statuses.COMPLETED:
        later["end_timestamp"] = now
        later["elapsed_seconds"] = round(seconds_between(document["start_timestamp"], now), 6)
    return later if result is _UNCHANGED else with_result(later, result)


def with_result(document: Document, result: Any) -> Document:
    """Give the document with another result; its size is that of the shortest JSON, in bytes."""
    size = len(_SHORTEST.encode(result).encode(errors="surrogatepass"))
    return {**document, "result": result, "result_size": size}


def in_context(document: Document, **facts: str | None) -> Document:
    """Give the document with more in its context: who paused it, which workflow it is."""
    return {**document, "context": {**document["context"], **facts}}
