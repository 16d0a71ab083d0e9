"""A redriven run whose arguments were redacted gets them back from the resolver that the application names.

The redriver names the paths in the header `redrive-redacted`. The values are filled in where the task runs, after the
message was decoded; they are in no message, and a run for which one is missing fails before the task's code begins.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from celery import states
from celery.app.task import Context
from celery.app.trace import TraceInfo, trace_ok_t
from celery.utils.imports import symbol_by_name

from eventbus.redaction import RESOLVED, put_at
from eventbus.vocabulary import REDACTED_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from celery import Task

Resolver = Callable[[str, str, str], Any]


class ResolverInvalid(ValueError):
    """A resolver that cannot be called: says what was expected and what came."""


class NotResolved(Exception):
    """A redacted argument did not get its value back, so that the task was not run; names the path, never a value."""


def resolver_of(given: str | Resolver | None) -> Resolver | None:
    """Give the resolver: a callable (task name, task id, path) -> value, or one named "module:function"."""
    try:
        found = symbol_by_name(given) if isinstance(given, str) else given
    except (ImportError, AttributeError, ValueError) as error:
        raise ResolverInvalid(f"expected `resolver` as module:function that can be imported, got {given!r}") from error
    if found is not None and not callable(found):
        raise ResolverInvalid(f"expected `resolver` as a callable (task_name, task_id, path) -> value, got {given!r}")
    return found


def resolving(task: Task, trace: Callable[..., Any], resolver: Resolver | None) -> Callable[..., Any]:
    """Wrap what runs a task: a message with the header gets its values, any other one pays a look-up."""

    def run(uuid: str, args: Any, kwargs: Any, request: Any = None) -> Any:  # noqa: ANN401 - as Celery calls it
        paths = request and request.get(REDACTED_HEADER)
        if not paths:
            return trace(uuid, args, kwargs, request)
        try:
            values = _ask(resolver, task.name, uuid, paths)
        except NotResolved as error:
            return _failed(task, args, kwargs, request, error)
        call = {"args": list(args), "kwargs": kwargs, "headers": request}
        for path, value in values.items():
            call = put_at(call, tuple(path.split(".")), value)
        with _known(values.values()):
            request.update(call["headers"], args=call["args"], kwargs=call["kwargs"])
            return trace(uuid, call["args"], call["kwargs"], request)

    return run


def _ask(resolver: Resolver | None, task: str, task_id: str, paths: Sequence[str]) -> dict[str, Any]:
    if resolver is None:
        raise NotResolved(f"expected a resolver for {', '.join(paths)}, got none: install(app, resolver=...)")
    values = {}
    for path in paths:
        try:
            values[path] = resolver(task, task_id, path)
        except Exception as error:  # noqa: BLE001 - somebody else's code; its text may hold what it looked for
            raise NotResolved(f"expected the resolver to give {path}, got {type(error).__name__}") from None
    return values


@contextmanager
def _known(values: Any) -> Iterator[None]:  # noqa: ANN401 - whatever a resolver gives
    token = RESOLVED.set(tuple(values))
    try:
        yield
    finally:
        RESOLVED.reset(token)


def _failed(task: Task, args: Any, kwargs: Any, request: Any, error: NotResolved) -> Any:  # noqa: ANN401 - as Celery calls it
    """End a run as failed, as Celery does for a task that raises, without running the task."""
    context = Context(request, args=args, called_directly=False, kwargs=kwargs)
    task.request_stack.push(context)
    info = TraceInfo(states.FAILURE, error)
    try:
        try:
            raise error
        except NotResolved:
            told = info.handle_error_state(task, context, eager=False)
    finally:
        task.request_stack.pop()
    return trace_ok_t(told, info, 0.0, None)
