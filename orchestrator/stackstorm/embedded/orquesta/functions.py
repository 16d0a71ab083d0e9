"""The functions of both expression languages; each takes the scope first where it needs one."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.orquesta.scope import (
    ExpressionEvaluationException,
    VariableInaccessibleError,
    VariableUndefinedError,
)

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.orquesta.scope import CurrentTask, Scope

NONE_MARK = "%*****__%NONE%__*****%"


def ctx(scope: Scope, key: str | None = None) -> Any:
    """Give the whole context, or one variable of it."""
    if not key:
        return {name: value for name, value in scope.variables.items() if not name.startswith("__")}
    if key.startswith("__"):
        raise VariableInaccessibleError(key)
    if key not in scope.variables:
        raise VariableUndefinedError(key)
    return scope.variables[key]


def item(scope: Scope, key: str | None = None) -> Any:
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


def result(scope: Scope) -> Any:
    """Give what the current task's action ended with."""
    return _current(scope).result


def task_status(scope: Scope, task_id: str, route: int | None = None) -> str:
    """Give the status of a task, on the current route or the nearest one before it."""
    return scope.status_of(task_id, route)


def succeeded(scope: Scope) -> bool:
    """Tell whether the current task succeeded."""
    return _own_status(scope) == statuses.SUCCEEDED


def failed(scope: Scope) -> bool:
    """Tell whether the current task failed."""
    return _own_status(scope) == statuses.FAILED


def completed(scope: Scope) -> bool:
    """Tell whether the current task has ended, however."""
    return _own_status(scope) in statuses.COMPLETED


def _own_status(scope: Scope) -> str:
    task = _current(scope)
    return scope.status_of(task.id, task.route)


def from_json(text: Any) -> Any:
    """Read a JSON text; a mapping is given back as it is."""
    if isinstance(text, Mapping):
        return text
    if not isinstance(text, str):
        raise TypeError("Given object is not typeof string.")
    return json.loads(text)


def zip_lists(*lists: Any, pad: Any = None) -> Any:
    """Pair the members of several lists, filling the shorter ones."""
    given = [[] if values is None else values for values in lists]
    return given[0] if len(given) == 1 else [list(row) for row in zip_longest(*given, fillvalue=pad)]


def to_json_string(value: Any, indent: int | None = None, sort_keys: bool = False) -> str:  # noqa: FBT001, FBT002 packs call it so
    """Write a value as JSON."""
    return json.dumps(value, indent=indent, sort_keys=sort_keys, default=_plain)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else list(value)


def use_none(value: Any) -> Any:
    """Stand for None where a template can give only text."""
    return NONE_MARK if value is None else value


SCOPED: dict[str, Callable[..., Any]] = {
    "ctx": ctx,
    "item": item,
    "result": result,
    "task_status": task_status,
    "succeeded": succeeded,
    "failed": failed,
    "completed": completed,
}
PLAIN: dict[str, Callable[..., Any]] = {
    "json": from_json,
    "zip": zip_lists,
    "from_json_string": json.loads,
    "to_json_string": to_json_string,
    "use_none": use_none,
    "basename": posixpath.basename,
    "dirname": posixpath.dirname,
}
