"""Runs an action with the runner that it names, in the thread that calls."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.executions import USER
from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.runners import local_shell, python_script
from orchestrator.stackstorm.embedded.runners.catalog import HTTP, PYTHON, SHELL_COMMAND, SHELL_SCRIPT
from orchestrator.stackstorm.embedded.runners.ended import Ended
from orchestrator.stackstorm.embedded.runners.handle import Handle
from orchestrator.stackstorm.embedded.runners.warm_processes import WarmProcesses
from orchestrator.stackstorm.embedded.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.stackstorm.embedded.content.values import Action, Pack
    from orchestrator.stackstorm.embedded.runners.warm_process import Finished

Values = dict[str, Any]
NO_REVISIONS = "content_version is not supported by the embedded StackStorm: actions run from the pack as it is on disk"
log = logging.getLogger(__name__)


class Runners:
    """All runners whose actions take time. Any thread may call."""

    def __init__(self, api_url: str, tokens: Tokens | None = None, virtualenvs: Path | None = None) -> None:
        self._api_url = api_url
        self._tokens = tokens or Tokens()
        self._processes = WarmProcesses(virtualenvs)
        self._handles: dict[str, Handle] = {}

    def run(self, pack: Pack, action: Action, execution: str, runner: Values, own: Values) -> Ended:
        """Run one action to its end; `runner` holds the runner's parameters, `own` the action's. Blocks.

        What goes wrong is a failed action, with the error and its traceback as the result.
        """
        handle = self._handles[execution] = Handle()
        try:
            return self._run(_Call(pack, action, execution, runner, own, handle))
        except Exception as error:  # whatever a runner raises is the action's failure, as in StackStorm
            log.info("action.run_failed execution=%s", execution, exc_info=True)
            trace = "".join(traceback.format_tb(error.__traceback__))
            return Ended(statuses.FAILED, {"error": str(error), "traceback": trace})
        finally:
            del self._handles[execution]

    def cancel(self, execution: str) -> None:
        """Kill what runs for an execution, or close its connection; afterwards run() returns, with status canceled."""
        handle = self._handles.get(execution)
        if handle is not None:
            handle.stop()

    def printed(self, execution: str) -> tuple[str, str]:
        """Give what an action that still runs has printed until now, to stdout and to stderr."""
        handle = self._handles.get(execution)
        stdout, stderr = handle.printed() if handle is not None else (b"", b"")
        return stdout.decode(errors="replace"), stderr.decode(errors="replace")

    def warm(self, pack: Pack) -> None:
        """Make ready for a pack's actions."""
        self._processes.warm(pack)

    def replace(self, pack: Pack) -> None:
        """Take a pack as it is read now; its actions that run finish as they began."""
        self._processes.replace(pack)

    def close(self) -> None:
        """Kill what runs, and stop."""
        self._processes.close()
        for handle in list(self._handles.values()):
            handle.stop()

    def _run(self, call: _Call) -> Ended:
        if call.runner.get("content_version"):
            raise ValueError(NO_REVISIONS)
        if call.action.runner_type == HTTP:
            # Most servers never send a request, and `requests` takes long to import.
            from orchestrator.stackstorm.embedded.runners import http_request  # noqa: PLC0415 as said above

            return http_request.run(call.action.name, call.runner, call.own, call.handle)
        with self._tokens.issued(call.execution) as token:
            return self._run_process(call, self._environment(call, token))

    def _run_process(self, call: _Call, env: dict[str, str]) -> Ended:
        runner, timeout = call.runner, call.runner.get("timeout")
        if call.action.runner_type == PYTHON:
            return python_script.ended(self._fork(call, call.pack, _job(call, env)), timeout)
        if call.action.runner_type in (SHELL_COMMAND, SHELL_SCRIPT):
            command = local_shell.command(call.action, runner, call.own)
            job = {"command": command, "cwd": runner.get("cwd"), "env": env}
            return local_shell.ended(self._fork(call, None, job), timeout)
        raise LookupError(f"expected a runner that is here, got {call.action.runner_type} of {call.action.ref}")

    def _fork(self, call: _Call, pack: Pack | None, job: Values) -> Finished:
        """Run a job in a pack's process, or in that of shell commands, whose background goes on."""
        timeout, keep = call.runner.get("timeout"), pack is None
        try:
            return self._processes.of(pack).run(job, timeout, call.handle, keep=keep)
        except ChildProcessError:  # it was replaced, or has died, between the two calls
            return self._processes.of(pack).run(job, timeout, call.handle, keep=keep)

    def _environment(self, call: _Call, token: str) -> dict[str, str]:
        return {
            **_given(call.runner.get("env") or {}),
            "ST2_ACTION_PACK_NAME": call.pack.ref,
            "ST2_ACTION_EXECUTION_ID": call.execution,
            "ST2_ACTION_API_URL": self._api_url,
            "ST2_ACTION_AUTH_TOKEN": token,
            "ST2_ACTION_DEBUG": str(call.runner.get("debug", False)),
        }


@dataclass(frozen=True, slots=True)
class _Call:
    """What run() was asked."""

    pack: Pack
    action: Action
    execution: str
    runner: Values
    own: Values
    handle: Handle


def _job(call: _Call, env: dict[str, str]) -> dict[str, Any]:
    """Give what the child reads of a Python action; it goes through a socket, never on a command line."""
    return {
        "file": str(call.action.entry_point),
        "pack": call.pack.ref,
        "user": USER,
        "parameters": call.own,
        "config": dict(call.pack.config),
        "env": env,
        "log_level": call.runner["log_level"],
    }


def _given(given: Mapping[str, Any]) -> dict[str, str]:
    """Give the variables that an action's parameter `env` sets; PYTHONPATH is not for it to set. Raises TypeError."""
    kept = {name: value for name, value in given.items() if name.lower() != "pythonpath"}
    for value in kept.values():
        if not isinstance(value, str):
            raise TypeError(f"expected str, bytes or os.PathLike object, not {type(value).__name__}")
    return kept
