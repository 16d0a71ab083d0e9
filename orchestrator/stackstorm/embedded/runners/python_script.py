"""The runner python-script: each action in a process of its own, forked from its pack's warm process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.runners import warm_process
from orchestrator.stackstorm.embedded.runners.ended import Ended

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.runners.warm_process import Finished

INVALID_STATUS = 220
KILLED = -9
FLOOD = f"expected at most {warm_process.MAX_OUTPUT} bytes of output and result, got more"
LOSS = "The process that ran this action is gone: it was killed, or the machine ran out of memory."


def ended(finished: Finished, timeout: Any) -> Ended:
    """Tell how a Python action ended, in StackStorm's status and shape; `timeout` is in seconds."""
    code = finished.code
    if code == INVALID_STATUS:
        return Ended(statuses.FAILED, {"error": finished.stderr, "traceback": ""})
    answer = finished.answer
    # StackStorm takes every action that SIGKILL ended for one that was too slow.
    timed_out = finished.because == warm_process.TIMED_OUT or (finished.because is None and code == KILLED)
    result: dict[str, Any] = {
        "stdout": finished.stdout,
        "stderr": finished.stderr,
        "exit_code": KILLED if timed_out else code,
        "result": "None" if answer is None else answer["result"],
    }
    if timed_out:
        return Ended(statuses.TIMEOUT, {**result, "error": f"Action failed to complete in {timeout} seconds"})
    if finished.because is not None:
        return interrupted(finished, result)
    failed = code != 0 or (answer is not None and answer["status"] is False)
    return Ended(statuses.FAILED if failed else statuses.SUCCEEDED, result)


def interrupted(finished: Finished, result: dict[str, Any]) -> Ended:
    """Tell how an action ended that was canceled, wrote too much, or lost the process it was forked from."""
    if finished.because == warm_process.STOPPED:
        return Ended(statuses.CANCELED, result)
    return Ended(statuses.FAILED, {**result, "error": FLOOD if finished.because == warm_process.FLOODED else LOSS})
