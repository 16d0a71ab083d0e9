"""What an expression may see, and the errors it can end in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class ExpressionError(Exception):
    """An expression that could not be evaluated; subclasses bear the names that the real conductor shows to users."""


class YaqlEvaluationException(ExpressionError):
    """A YAQL expression that could not be evaluated."""


class JinjaEvaluationException(ExpressionError):
    """A Jinja expression that could not be evaluated."""


class ExpressionEvaluationException(ExpressionError):
    """A function was called where it has no meaning, such as result() outside of a task."""


class VariableUndefinedError(ExpressionError):
    """ctx(name) of a name that has no value."""

    def __init__(self, name: str) -> None:
        super().__init__(f'The variable "{name}" is undefined.')


class VariableInaccessibleError(ExpressionError):
    """ctx(name) of a name that begins with two underscores."""

    def __init__(self, name: str) -> None:
        super().__init__(f'The variable "{name}" is for internal use and inaccessible.')


@dataclass(frozen=True, slots=True)
class CurrentTask:
    """The task whose transition or input is evaluated."""

    id: str
    route: int
    result: Any = None


def _no_status(_task: str, _route: int | None) -> str:
    return "null"


@dataclass(frozen=True, slots=True)
class Scope:
    """The context, the current task and item, and a way to ask for any task's status."""

    variables: Mapping[str, Any] = field(default_factory=dict)
    task: CurrentTask | None = None
    item: Any = None
    status_of: Callable[[str, int | None], str] = _no_status
