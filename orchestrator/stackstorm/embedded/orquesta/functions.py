"""The functions of both expression languages; each takes the scope first where it needs one.

The names of functions and parameters are the real ones: errors of calls show them, and packs pass parameters by name.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.orquesta import documents, patterns, statuses, versions
from orchestrator.stackstorm.embedded.orquesta.durations import to_human_time_from_seconds
from orchestrator.stackstorm.embedded.orquesta.scope import (
    ExpressionEvaluationException,
    KeyNotFound,
    VariableInaccessibleError,
    VariableUndefinedError,
)

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.orquesta.scope import CurrentTask, Scope


_INTERNAL = ("__state", "__current_task", "__current_item")


def ctx_(scope: Scope, key: str | None = None) -> Any:
    """Give the whole context, or one variable of it."""
    if not key:
        return {name: value for name, value in scope.variables.items() if not name.startswith("__")}
    if key not in scope.variables and key not in _INTERNAL:
        raise VariableUndefinedError(key)
    if key.startswith("__"):
        raise VariableInaccessibleError(key)
    return scope.variables[key]


def item_(scope: Scope, key: str | None = None) -> Any:
    """Give the current item of a task with items, or one member of it."""
    if not key:
        return scope.item
    if not isinstance(scope.item, Mapping):
        raise ExpressionEvaluationException("Item is not type of collections.abc.Mapping.")
    if key not in scope.item:
        raise ExpressionEvaluationException(f'Item does not have key "{key}".')
    return scope.item[key]


def _current(scope: Scope) -> CurrentTask:
    if scope.task is None:
        raise ExpressionEvaluationException("The current task is not set in the context.")
    return scope.task


def result_(scope: Scope) -> Any:
    """Give what the current task's action ended with."""
    return _current(scope).result


def task_status_(scope: Scope, task_id: str, route: int | None = None) -> str:
    """Give the status of a task, on the current route or the nearest one before it."""
    return scope.status_of(task_id, route)


def succeeded_(scope: Scope) -> bool:
    """Tell whether the current task succeeded."""
    return _own_status(scope) == statuses.SUCCEEDED


def failed_(scope: Scope) -> bool:
    """Tell whether the current task failed."""
    return _own_status(scope) == statuses.FAILED


def completed_(scope: Scope) -> bool:
    """Tell whether the current task has ended, however."""
    return _own_status(scope) in statuses.COMPLETED


def _own_status(scope: Scope) -> str:
    task = _current(scope)
    return scope.status_of(task.id, task.route)


def st2kv_(scope: Scope, key: str, **kwargs: Any) -> Any:
    """Give the value of a datastore's key: `system.name`, or the name of one of the user's own.

    `decrypt` asks for a secret in plain text, `default` stands in for a key that is not there.
    """
    decrypt = kwargs.get("decrypt", False)
    if not isinstance(key, str):
        raise TypeError("Given key is not typeof string.")
    if not isinstance(decrypt, bool):
        raise TypeError("Decrypt parameter is not typeof bool.")
    if "user" not in scope.variables.get("st2", {}):
        raise KeyError("Could not get user from context.")
    try:
        return scope.outside.st2kv(key, scope.variables["st2"]["user"], decrypt)
    except KeyNotFound as error:
        if "default" in kwargs:
            return kwargs["default"]
        raise ExpressionEvaluationException(str(error)) from None
    except Exception as error:  # noqa: BLE001 as the real function does: a value that cannot be decrypted, say
        raise ExpressionEvaluationException(str(error)) from None


def task(scope: Scope, task_id: str | None = None, route: int | None = None) -> Any:
    """Give what is known of the latest run of a task, the current one by default: its result, status and times."""
    current = scope.task
    if task_id is None and current is None:
        raise KeyError("id")
    name = task_id if task_id is not None else current.id if current else ""
    found = scope.outside.task(name, route if route is not None else current.route if current else 0)
    if found is None:
        raise ExpressionEvaluationException(f'Unable to find task execution for "{name}".')
    return found


def json_(s: Any) -> Any:
    """Read a JSON text; a dict is given back as it is, which YAQL never gives."""
    if isinstance(s, dict):
        return s
    if not isinstance(s, str):
        raise TypeError("Given object is not typeof string.")
    return json.loads(s)


def zip_(*args: Any, **kwargs: Any) -> Any:
    """Pair the members of several lists, filling the shorter ones with `pad`."""
    given = [[] if values is None else values for values in args]
    return given[0] if len(given) == 1 else list(zip_longest(*given, fillvalue=kwargs.get("pad")))


def basename(path: str) -> str:
    """Give the last part of a path."""
    return posixpath.basename(path)


def dirname(path: str) -> str:
    """Give a path without its last part."""
    return posixpath.dirname(path)


SCOPED: dict[str, Callable[..., Any]] = {
    "ctx": ctx_,
    "item": item_,
    "result": result_,
    "task_status": task_status_,
    "succeeded": succeeded_,
    "failed": failed_,
    "completed": completed_,
    "st2kv": st2kv_,
    "task": task,
}
# What templates outside of workflows have as filters too.
FILTERS: dict[str, Callable[..., Any]] = {
    **documents.FUNCTIONS,
    **patterns.FUNCTIONS,
    **versions.FUNCTIONS,
    "to_human_time_from_seconds": to_human_time_from_seconds,
    "basename": basename,
    "dirname": dirname,
}
PLAIN: dict[str, Callable[..., Any]] = {
    **FILTERS,
    "json": json_,
    "zip": zip_,
    "json_dump": documents.to_json_string,
    "json_parse": documents.from_json_string,
    "yaml_dump": documents.to_yaml_string,
    "yaml_parse": documents.from_yaml_string,
}
