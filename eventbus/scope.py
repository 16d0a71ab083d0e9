"""What the running code is about: identifiers that nested calls share and that Celery messages carry on."""

from __future__ import annotations

import inspect
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

# What a Celery message carries from the code that published it to the code that runs it.
CARRIED: Final = (
    "agent_id",
    "workflow_execution_id",
    "node_id",
    "organization_id",
    "user_id",
    "request_id",
    "traceparent",
)
_LONGEST: Final = 1_024

_NOTHING: Final[Mapping[str, str]] = {}
_scope: ContextVar[Mapping[str, str]] = ContextVar("redrive_scope", default=_NOTHING)


def current() -> Mapping[str, str]:
    """Give what is known here."""
    return _scope.get()


def enter(values: Mapping[str, str]) -> None:
    """Know exactly this from now on: a new piece of work begins, or an old one goes on."""
    _scope.set(values)


@contextmanager
def bound(values: Mapping[str, str | None]) -> Iterator[None]:
    """Know these beside what is known already; None takes one away."""
    before = _scope.get()
    merged = {**before, **values}
    _scope.set({name: value for name, value in merged.items() if value is not None})
    try:
        yield
    finally:
        _scope.set(before)


class Around(Generic[T]):
    """A context manager that decorates functions too, plain and asynchronous; `make` gives a new one for each use."""

    def __init__(self, make: Callable[[], AbstractContextManager[T]]) -> None:
        self._make = make
        self._open: list[AbstractContextManager[T]] = []

    def __enter__(self) -> T:
        """Begin."""
        made = self._make()
        value = made.__enter__()
        self._open.append(made)
        return value

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """End what was begun last."""
        return self._open.pop().__exit__(kind, error, traceback)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate; raises TypeError for a generator, whose body runs after the call that makes it."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"expected a function or a coroutine function, got the generator {function.__name__!r}; "
                            "use `with` inside it")  # fmt: skip
        if inspect.iscoroutinefunction(function):
            return cast("Callable[P, R]", self._asynchronous(function))

        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            with self._make():
                return function(*args, **kwargs)

        return run

    def _asynchronous(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        async def run(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the function that it wraps
            with self._make():
                return await function(*args, **kwargs)

        return run


def outgoing() -> dict[str, str]:
    """Give what a message published here has to carry."""
    return {name: value for name, value in _scope.get().items() if name in CARRIED}


def incoming(header: object) -> dict[str, str]:
    """Read what a message carried; anybody may have written it, so only what can be is taken."""
    if not isinstance(header, dict):
        return {}
    return {
        name: value
        for name in CARRIED
        if isinstance(value := header.get(name), str) and len(value) <= _LONGEST and "\0" not in value
    }
