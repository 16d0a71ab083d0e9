"""What an expression may see, and the errors it can end in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

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


class KeyNotFound(LookupError):
    """The datastore has no such key."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f'The key "{name}" does not exist in the StackStorm datastore.')


@dataclass(frozen=True, slots=True)
class CurrentTask:
    """The task whose transition or input is evaluated."""

    id: str
    route: int
    result: Any = None


def _no_status(_task: str, _route: int | None) -> str:
    return "null"


def _no_key(key: str, _user: str, _decrypt: bool) -> Any:  # noqa: FBT001 the shape of the function it stands for
    raise KeyNotFound(key.removeprefix("system."))


def _no_task(_task: str, _route: int) -> Mapping[str, Any] | None:
    return None


class Costly(BaseException):
    """A value that is itself an expression, and not a cheap one: all of it is to be evaluated apart. Nobody's error."""


@dataclass(frozen=True, slots=True)
class Outside:
    """What expressions may ask of the world around a workflow.

    `st2kv(key, user, decrypt)` gives a datastore's value or raises KeyNotFound; `task(name, route)` gives what the
    function task() shows of a task's latest run, or None. `apart(text, scope)` evaluates a text where it can be
    stopped; without it every text is evaluated here, whatever it costs.
    """

    st2kv: Callable[[str, str, bool], Any] = _no_key
    task: Callable[[str, int], Mapping[str, Any] | None] = _no_task
    apart: Callable[[str, Scope], Any] | None = None


NOTHING_OUTSIDE: Final = Outside()


@dataclass(frozen=True, slots=True)
class Scope:
    """The context, the current task and item, a way to ask for any task's status, and what is outside."""

    variables: Mapping[str, Any] = field(default_factory=dict)
    task: CurrentTask | None = None
    item: Any = None
    status_of: Callable[[str, int | None], str] = _no_status
    outside: Outside = NOTHING_OUTSIDE
