"""Runs one job in the forked child: a shell command, or a Python action."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import traceback
from typing import Any

from .encoding import answered
from .ending import end
from .forking import forked

INVALID_STATUS = 220
INVALID_STATUS_TEXT = (
    "Status returned from the action run() method must either be True or False, got: {}\n"
    "An action that returns a tuple of two has to return a list instead, or (True, data) or (False, data).\n"
)


def run_job(job: Any, stdout: int, stderr: int) -> None:
    """Run a job with these descriptors as its output, and end the process with its exit code."""
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    if "command" in job:
        become_shell(job, stdout)
    else:
        end(run_action(job, stdout))


def become_shell(job: Any, answers: int) -> None:
    """Become the shell that runs the command; what keeps it from starting is the answer."""
    try:
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        if job["cwd"]:
            os.chdir(job["cwd"])
        os.execve("/bin/sh", ["/bin/sh", "-c", job["command"]], {**os.environ, **job["env"]})  # noqa: S606 the action asks for a shell
    except Exception as error:  # noqa: BLE001 whatever it is, the command did not run
        tell(answers, job["mark"], json.dumps({"error": str(error), "traceback": traceback.format_exc()}))
        os._exit(1)


def run_action(job: Any, answers: int) -> int:
    """Run a Python action; answer the exit code that the process has to end with."""
    try:
        forked()
        return perform(job, answers)
    except SystemExit as leaving:
        return exit_code(leaving.code)
    except BaseException:  # noqa: BLE001 whatever the action raises is the action's failure, and its traceback the evidence
        traceback.print_exc()
        return 1


def perform(job: Any, answers: int) -> int:
    """Load the action, run it and tell its answer; give the exit code."""
    for name, value in job["env"].items():
        os.environ[name] = value
    # Where it is not imported ahead, a user's environment may have to be there first.
    loading = sys.modules.get("redrive_action.loading") or importlib.import_module("redrive_action.loading")
    instance = loading.action(job)
    returned = instance.run(**job["parameters"])
    status = None
    if isinstance(returned, tuple) and len(returned) == 2:  # noqa: PLR2004 a pair is a status and its data
        status, returned = returned
        if status is not None and not isinstance(status, bool):
            sys.stderr.write(INVALID_STATUS_TEXT.format(status))
            return INVALID_STATUS
    sys.stdout.flush()
    tell(answers, job["mark"], answered(status, returned))
    return 0


def tell(descriptor: int, mark: str, answer: str) -> None:
    """Write the answer between two marks."""
    rest = memoryview(f"\0{mark}\0{answer}\0{mark}\0".encode())
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def exit_code(code: object) -> int:
    """Give what a process ends with after SystemExit, as Python itself does it."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    sys.stderr.write(f"{code}\n")
    return 1
