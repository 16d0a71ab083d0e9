"""The runners local-shell-cmd and local-shell-script: a command, or a script of the pack, run by /bin/sh."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.runners import warm_process
from orchestrator.stackstorm.embedded.runners.catalog import SHELL_COMMAND
from orchestrator.stackstorm.embedded.runners.ended import Ended
from orchestrator.stackstorm.embedded.runners.python_script import KILLED, interrupted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.embedded.content.values import Action
    from orchestrator.stackstorm.embedded.runners.warm_process import Finished

ABANDONED = -15
"""The exit code of a shell that SIGTERM ended: StackStorm takes it for its own stop."""

NO_SUDO = "sudo is not supported by the embedded StackStorm: commands run as the user that runs it"


def command(action: Action, runner: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    """Give the line that the shell runs; raises ValueError."""
    if runner.get("sudo"):
        raise ValueError(NO_SUDO)
    if action.runner_type == SHELL_COMMAND:
        if not isinstance(runner.get("cmd"), str):
            raise ValueError(f"expected a command in the parameter cmd of {action.ref}, got {runner.get('cmd')!r}")
        return str(runner["cmd"])
    file = shlex.quote(str(action.entry_point))
    line = " ".join([file, *_arguments(action.parameters, own, str(runner["kwarg_op"]))])
    return f"chmod +x {file} ; {line}"


def _arguments(schemas: Mapping[str, Any], own: Mapping[str, Any], operator: str) -> list[str]:
    """Give a script's arguments: named ones first, as --name=value, then those that have a position."""
    by_position = {schema["position"]: name for name, schema in schemas.items() if schema.get("position") is not None}
    positional = [name for _, name in sorted(by_position.items())]
    named = [_named(operator + name, value) for name, value in own.items() if name not in positional]
    placed = [shlex.quote(_text(schemas[name].get("type"), own.get(name))) for name in positional]
    return [argument for argument in named if argument is not None] + placed


def _named(name: str, value: Any) -> str | None:
    if value is None or value == "" or value is False:
        return None
    return name if value is True else f"{shlex.quote(name)}={shlex.quote(str(value))}"


def _text(kind: Any, value: Any) -> str:
    """Write a positional argument as StackStorm does: lists with commas, mappings in JSON, booleans as 1 and 0."""
    if value is None or kind == "null":
        return ""
    if kind in ("string", "number", "float"):
        return str(value)
    if kind == "boolean":
        return "1" if value else "0"
    return _structure(kind, value) if value else ""  # of whole numbers 0 is nothing too, in StackStorm


def _structure(kind: Any, value: Any) -> str:
    if kind in ("array", "list"):
        return ",".join(str(member) for member in value)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False) if kind == "object" else str(value)


def ended(finished: Finished, timeout: Any) -> Ended:
    """Tell how a command ended, in StackStorm's status and shape; `timeout` is in seconds."""
    if finished.answer is not None:
        return Ended(statuses.FAILED, finished.answer)
    timed_out = finished.because == warm_process.TIMED_OUT or (finished.because is None and finished.code == KILLED)
    code = KILLED if timed_out else finished.code
    result: dict[str, Any] = {
        "failed": code != 0,
        "succeeded": code == 0,
        "return_code": code,
        "stdout": _parsed(_stripped(finished.stdout)),
        "stderr": _parsed(_stripped(finished.stderr)),
    }
    if timed_out:
        return Ended(statuses.TIMEOUT, {**result, "error": f"Action failed to complete in {timeout} seconds"})
    if finished.because is not None:
        return interrupted(finished, result)
    known = {0: statuses.SUCCEEDED, ABANDONED: statuses.ABANDONED}
    return Ended(known.get(code, statuses.FAILED), result)


def _stripped(text: str) -> str:
    """Take one end of line off."""
    return text.removesuffix("\n").removesuffix("\r")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError:
        return text


def _refuse(constant: str) -> Any:
    raise ValueError(f"expected JSON, got {constant}")
