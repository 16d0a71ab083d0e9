"""What the conductor wants to be run: a task, and those of its actions that may run now."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.orquesta.expressions import evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.stackstorm.embedded.orquesta.scope import Scope
    from orchestrator.stackstorm.embedded.orquesta.spec import Task, WithItems
    from orchestrator.stackstorm.embedded.orquesta.state import Staged


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """An action to run now (none: it succeeds at once) with its rendered input, for one item of a task with items."""

    action: str | None
    input: dict[str, Any] = field(default_factory=dict)
    item: int | None = None


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """A task to run: the actions to run now, and the delay in seconds.

    `items`: how many items a task with items has in all; with none at all it succeeds at once, with the result [].
    `concurrency`: how many of them may run at the same time.
    """

    task: str
    route: int
    actions: tuple[ActionRequest, ...]
    delay: int = 0
    items: int | None = None
    concurrency: int | None = None

    def delay_of(self, action: ActionRequest) -> int:
        """Give the seconds by which an action is delayed: with a concurrency, only those of the first round are."""
        first_round = action.item is None or self.concurrency is None or action.item < self.concurrency
        return self.delay if first_round else 0


def request(task: Task, entry: Staged, scope: Scope) -> TaskRequest | None:
    """Render what is staged; None where no more items may run now. Raises ExpressionError, TypeError."""
    if task.items is not None:
        return _with_items(task, task.items, entry, scope)
    return TaskRequest(entry.task, entry.route, (_action(task, scope),), _delay(task, entry, scope))


def whole(value: int | str | None, scope: Scope, otherwise: Exception) -> int:
    """Evaluate a number of tries or of seconds; raises ExpressionError, or `otherwise` where it gives another thing."""
    if value is None:
        return 0
    number = evaluate(value, scope)
    if not isinstance(number, int):
        raise otherwise
    return number


def _with_items(task: Task, items: WithItems, entry: Staged, scope: Scope) -> TaskRequest | None:
    """Render the items that may run now; the first time all of them, so that an error in any shows before one runs."""
    values = _values(items, scope)
    first = [_action(task, scope, items, values, index) for index in range(len(values))] if not entry.items else []
    delay = _delay(task, entry, scope)
    concurrency = evaluate(items.concurrency, scope)
    entry.items = entry.items or [statuses.UNSET] * len(values)
    if concurrency is not None and concurrency <= 0:
        concurrency = 1
    chosen = _chosen(entry.items[: len(values)], concurrency)
    if values and not chosen:
        return None
    actions = tuple(first[index] if first else _action(task, scope, items, values, index) for index in chosen)
    return TaskRequest(entry.task, entry.route, actions, delay, len(values), concurrency)


def _chosen(items: list[str], concurrency: int | None) -> list[int]:
    waiting = [index for index, status in enumerate(items) if status == statuses.UNSET]
    if concurrency is None:
        return waiting
    free = concurrency - sum(status in statuses.ACTIVE for status in items)
    return waiting[: max(free, 0)]


def _values(items: WithItems, scope: Scope) -> list[Any]:
    values = evaluate(items.expression, scope)
    if not isinstance(values, list):
        raise TypeError(f'The value of "{items.expression}" is not type of list.')
    return values


def _action(
    task: Task, scope: Scope, items: WithItems | None = None, values: Sequence[Any] = (), index: int | None = None
) -> ActionRequest:
    if items is not None and index is not None:
        scope = replace(scope, item=_named(items.names, values[index]))
    return ActionRequest(evaluate(task.action, scope), evaluate(task.input, scope), index)


def _named(names: tuple[str, ...], value: Any) -> Any:
    """Give an item its names: one name for the whole of it, or one for each member."""
    if names and isinstance(value, list | tuple):
        return dict(zip(names, value, strict=False))
    return {names[0]: value} if len(names) == 1 else value


def _delay(task: Task, entry: Staged, scope: Scope) -> int:
    own = whole(task.delay or None, scope, TypeError("The value of task delay is not type of integer."))
    return own if entry.retry_delay is None else entry.retry_delay
