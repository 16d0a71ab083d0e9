"""Evaluates expressions in a process of its own, which ends when one of them takes too long or too much memory.

A costly expression (orquesta/cheap.py) would otherwise hold the thread that decides everything, and no thread can stop
another that is deep in a library: a pattern that backtracks holds even Python's own lock.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded.orquesta import jinja_language
from orchestrator.stackstorm.embedded.orquesta.scope import (
    ExpressionError,
    JinjaEvaluationException,
    KeyNotFound,
    YaqlEvaluationException,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.embedded.lookups import Keys
    from orchestrator.stackstorm.embedded.orquesta.scope import Scope

Functions = dict[str, Callable[..., Any]]
_PROGRAM: Final = "orchestrator.stackstorm.embedded.apart_process"
_GRACE: Final = 1.0
_PATIENCE: Final = 10.0  # for its imports: an asker may hold the thread that decides everything
_ERRORS: Final = {error.__name__: error for error in (YaqlEvaluationException, JinjaEvaluationException)}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one text may take: seconds until its end, bytes of memory of the whole process, values in its result."""

    seconds: float = 5.0
    memory: int = 500_000_000
    values: int = 1_000_000


class Apart:
    """The process that evaluates, begun when it is first needed; any thread may ask, one after the other."""

    def __init__(self, limits: Limits = Limits()) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._ready = False

    def evaluate(self, text: str, scope: Scope) -> Any:
        """Evaluate a text of a workflow; raises ExpressionError, and for one that is stopped too."""
        functions: Functions = {"status_of": scope.status_of, "st2kv": scope.outside.st2kv, "task": scope.outside.task}
        return self._ask(text, ("expression", text, dict(scope.variables), scope.task, scope.item), functions)

    def render(self, text: str, names: Mapping[str, Any], keys: Keys, user: str) -> str:
        """Render a template that is not a workflow's, with the keys of a user; raises ExpressionError."""
        functions: Functions = {"value": keys.value, "decrypt": keys.decrypt}
        return str(self._ask(text, ("template", text, dict(names), user), functions))

    def begin(self) -> None:
        """Begin the process, so that the first who asks need not wait for it."""
        with self._lock:
            self._begun()

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _ask(self, text: str, request: tuple[Any, ...], functions: Functions) -> Any:
        with self._lock:
            try:
                return self._asked(self._begun(), request, functions)
            except (EOFError, OSError):
                self._end()
                self._begun()  # the next who asks shall not wait for it
                raise self._stopped(text) from None

    def _begun(self) -> Connection:
        if self._connection is None or self._process is None or self._process.poll() is not None:
            self._end()
            ours, theirs = socket.socketpair()
            limits = (str(value) for value in (self._limits.seconds, self._limits.memory, self._limits.values))
            command = [sys.executable, "-m", _PROGRAM, str(theirs.fileno()), *limits]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
            theirs.close()
            self._connection = Connection(ours.detach())
        return self._connection

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None
        self._ready = False

    def _asked(self, connection: Connection, request: tuple[Any, ...], functions: Functions) -> Any:
        if not self._ready:
            if not connection.poll(_PATIENCE):
                expected = f"expected the process for costly expressions to begin within {_PATIENCE:g} s"
                raise ExpressionError(f"{expected}, it has not yet: ask again")
            self._ready = connection.recv() is None
        connection.send(request)
        while True:
            if not connection.poll(self._limits.seconds + _GRACE):
                raise EOFError
            kind, *rest = connection.recv()
            if kind == "value":
                return rest[0]
            if kind == "error":
                name, words = rest
                raise _ERRORS.get(name, ExpressionError)(words)
            name, *arguments = rest
            connection.send(_answered(functions[name], arguments))

    def _stopped(self, text: str) -> ExpressionError:
        error = JinjaEvaluationException if jinja_language.present(text) else YaqlEvaluationException
        limits = self._limits
        return error(
            f"Unable to evaluate expression '{text}'. TimeoutError: expected an end within {limits.seconds:g} seconds"
            f" and {limits.memory} bytes of memory; the embedded StackStorm stopped it"
        )


def _answered(function: Callable[..., Any], arguments: list[Any]) -> tuple[str, Any]:
    """Give the answer to a question that the expression asks of the world around it."""
    try:
        return "value", function(*arguments)
    except KeyNotFound as error:
        return "missing", error.name
    except Exception as error:  # noqa: BLE001 it is the expression's, whatever it is
        return "error", str(error)
