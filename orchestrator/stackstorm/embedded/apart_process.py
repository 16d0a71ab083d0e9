"""The process that evaluates costly expressions: begun by apart.py, ended by its own alarm when one is too slow."""

from __future__ import annotations

import resource
import signal
import sys
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.lookups import Lookups
from orchestrator.stackstorm.embedded.orquesta.expressions import evaluate
from orchestrator.stackstorm.embedded.orquesta.scope import (
    ExpressionError,
    ExpressionEvaluationException,
    KeyNotFound,
    Outside,
    Scope,
)
from orchestrator.stackstorm.embedded.rules.templates import render_here

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.stackstorm.embedded.orquesta.scope import CurrentTask

_DEEPEST = 100


def main(descriptor: str, seconds: str, memory: str, values: str) -> None:
    """Serve until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection = Connection(int(descriptor))
    evaluate(["<% 1 %>", "{{ 1 }}"], Scope())  # the first of each language takes longest, and no time of anybody's
    connection.send(None)
    while True:
        try:
            kind, text, *given = connection.recv()
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_REAL, float(seconds))
        work = _expression if kind == "expression" else _template
        connection.send(_answer(text, partial(work, connection, text, *given), int(values)))
        signal.setitimer(signal.ITIMER_REAL, 0)


def _answer(text: str, work: Callable[[], Any], values: int) -> tuple[Any, ...]:
    try:
        value = work()
        _measure(value, [values], 0)
    except ExpressionError as error:
        return "error", type(error).__name__, str(error)
    except (ValueError, MemoryError) as error:
        return "error", "ExpressionError", f"Unable to evaluate expression '{text}'. {type(error).__name__}: {error}"
    return "value", value


def _expression(
    connection: Connection, text: str, variables: dict[str, Any], task: CurrentTask | None, item: Any
) -> Any:
    outside = Outside(_asking(connection, "st2kv"), _asking(connection, "task"))
    return evaluate(text, Scope(variables, task, item, _asking(connection, "status_of"), outside))


def _template(connection: Connection, text: str, names: dict[str, Any], user: str) -> str:
    try:
        return render_here(text, {**names, "st2kv": Lookups(_AskedKeys(connection), user)})
    except Exception as error:  # noqa: BLE001 whatever a template raises is the template's error
        raise ExpressionError(str(error)) from None


class _AskedKeys:
    """The datastore at the other end."""

    def __init__(self, connection: Connection) -> None:
        self.value = _asking(connection, "value")
        self.decrypt = _asking(connection, "decrypt")


def _measure(value: Any, left: list[int], depth: int) -> None:
    """Count the values in a result as often as they stand in it: what is shared here is written out later."""
    left[0] -= 1 + (len(value) // 100 if isinstance(value, str) else 0)
    if left[0] < 0 or depth > _DEEPEST:
        raise ValueError(f"expected a result of fewer values, at most {_DEEPEST} deep")
    if isinstance(value, dict):
        for key, member in value.items():
            _measure(key, left, depth + 1)
            _measure(member, left, depth + 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for member in value:
            _measure(member, left, depth + 1)
    elif value is not None and not isinstance(value, str | int | float):
        raise ValueError(f"expected a value that JSON has, got {type(value).__name__}")


def _asking(connection: Connection, name: str) -> Callable[..., Any]:
    def ask(*arguments: Any) -> Any:
        connection.send(("ask", name, *arguments))
        kind, answer = connection.recv()
        if kind == "missing":
            raise KeyNotFound(answer)
        if kind == "error":
            raise ExpressionEvaluationException(answer)
        return answer

    return ask


if __name__ == "__main__":
    main(*sys.argv[1:])
