"""The sample app with a stamp at each end of a run, for the load test: `celery -A loadtests.apps.timed worker`.

Where LLM_APP_STAMPS names a file, a worker adds a line when it receives a task and a line when a run is over, all
plugins included: `received ID SECONDS` and `ended ID SECONDS STATE`, in seconds of the system's monotonic clock.
LLM_APP_READY_FILE and LLM_APP_PARENT_PID are what --ready-file and --parent-pid are elsewhere. Both arms of the load
test run this, so that what it costs is in both.
"""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import signals

from loadtests.apps.lifecycle import announce, end_with
from loadtests.apps.llm_app import app

if TYPE_CHECKING:
    from celery.worker.request import Request

__all__ = ["app"]


@signals.worker_ready.connect  # type: ignore[untyped-decorator]  # celery has no types
def _ready(**_: Any) -> None:
    # The pool's children are forked by now: the thread that watches the parent stays in this process.
    parent, ready_file = os.environ.get("LLM_APP_PARENT_PID"), os.environ.get("LLM_APP_READY_FILE")
    end_with(int(parent) if parent else None)
    announce(Path(ready_file) if ready_file else None, {"pid": os.getpid()})


@signals.task_received.connect  # type: ignore[untyped-decorator]  # celery has no types
def _received(request: Request, **_: Any) -> None:
    _stamp(f"received {request.id} {time.monotonic()}\n")


@signals.task_postrun.connect  # type: ignore[untyped-decorator]  # celery has no types
def _ended(task_id: str, state: str, **_: Any) -> None:
    _stamp(f"ended {task_id} {time.monotonic()} {state}\n")


def _stamp(line: str) -> None:
    path = os.environ.get("LLM_APP_STAMPS")
    if path:
        os.write(_file(path, os.getpid()), line.encode())


@cache
def _file(path: str, _pid: int) -> int:
    """Open the file once in each process; a line is one write, so those of other processes stay whole."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
