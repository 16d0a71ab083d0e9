"""Runs one Python action, in the forked child: reads the job, runs it, writes the result. Standard library alone."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Any

INVALID_STATUS = 220
INVALID_STATUS_TEXT = (
    "Status returned from the action run() method must either be True or False, got: {}\n"
    "An action that returns a tuple of two has to return a list instead, or (True, data) or (False, data).\n"
)


def run_action(job: int, stdout: int, stderr: int, result: int) -> None:
    """Run the job that is read from the descriptor `job`; ends the process with the action's exit code."""
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    code = 1
    try:
        with os.fdopen(job, "rb") as stream:
            task = json.load(stream)
        code = perform(task, result)
    except SystemExit as leaving:
        code = exit_code(leaving.code)
    except BaseException:  # noqa: BLE001 whatever the action raises is the action's failure, and its traceback the evidence
        traceback.print_exc()
    finally:
        flush()
        os._exit(code)


def perform(task: dict[str, Any], result: int) -> int:
    """Load the action, run it and write its result; answer the exit code."""
    os.environ.update({name: str(value) for name, value in task["env"].items()})
    sys.path.extend(path for path in task["path"] if path not in sys.path)
    set_up_logging(task["log_level"])
    action = load_action(Path(task["file"]))(config=task["config"], action_service=None)
    returned = action.run(**task["parameters"])
    status = None
    if isinstance(returned, tuple) and len(returned) == 2:  # noqa: PLR2004 a pair is a status and its data
        status, returned = returned
        if status is not None and not isinstance(status, bool):
            sys.stderr.write(INVALID_STATUS_TEXT.format(status))
            return INVALID_STATUS
    with os.fdopen(result, "wb") as stream:
        stream.write(json.dumps({"status": status, "result": plain(returned)}).encode())
    return 0


def load_action(file: Path) -> Any:
    """Give the action class of a file: the first by name that has a run method."""
    Action = importlib.import_module("st2common.runners.base_action").Action  # noqa: N806 it is a class

    sys.path.append(str(file.parent))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"expected a Python file, got {file}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for _, found in inspect.getmembers(module, inspect.isclass):
        if found.__module__ == module.__name__ and issubclass(found, Action) and not inspect.isabstract(found):
            return found
    raise Exception(f'File "{file}" has no action class or the file doesn\'t exist.')  # noqa: TRY002 StackStorm's own words


def plain(value: object) -> object:
    """Give a value as it is where JSON can hold it, else its text."""
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return str(value)
    return value


def set_up_logging(level: str) -> None:
    """Send log lines to stderr in StackStorm's format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(name)-12s: %(levelname)-8s %(message)s"))
    logger = logging.getLogger("st2.actions.python")
    logger.addHandler(handler)
    logger.setLevel(getattr(logging, level, logging.DEBUG))
    logger.propagate = False


def exit_code(code: object) -> int:
    """Give what a process ends with after SystemExit, as Python itself does it."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    sys.stderr.write(f"{code}\n")
    return 1


def flush() -> None:
    """Write out what the action printed; a closed pipe is nobody's fault."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
