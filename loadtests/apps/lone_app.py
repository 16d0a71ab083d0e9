"""The Celery app of `bench lone`: a task that fails in its first run and succeeds when it is redriven.

Three lines a task go to the file that LONE_STAMPS names, in seconds of unix time: `failed` when Celery tells of the
failure, before the plugin hears of it; `received` when the worker gets the redriven message; `ended` when that run is
over. BROKER and BACKEND are Celery's; LONE_READY_FILE and LONE_PARENT_PID are what --ready-file and --parent-pid are
elsewhere.
"""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import Celery, signals

from eventbus.celery_plugin import install
from eventbus.wire import ATTEMPT_HEADER
from loadtests.apps.lifecycle import announce, end_with

if TYPE_CHECKING:
    from celery import Task
    from celery.worker.request import Request

app = Celery("lone", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])
app.conf.update(broker_connection_retry_on_startup=True, worker_hijack_root_logger=False)


def stamp(what: str, task_id: str) -> None:
    """Note what happened to a task now."""
    os.write(_file(os.getpid()), f"{what} {task_id} {time.time():.6f}\n".encode())


@cache
def _file(_pid: int) -> int:
    """Open the file once in each process; a line is one write, so those of other processes stay whole."""
    return os.open(os.environ["LONE_STAMPS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


@signals.task_failure.connect  # type: ignore[untyped-decorator]  # celery has no types
def _failed(task_id: str, **_: Any) -> None:
    stamp("failed", task_id)


@signals.task_received.connect  # type: ignore[untyped-decorator]  # celery has no types
def _received(request: Request, **_: Any) -> None:
    if ATTEMPT_HEADER in (request.request_dict or {}):
        stamp("received", request.id)


@signals.task_success.connect  # type: ignore[untyped-decorator]  # celery has no types
def _ended(sender: Task, **_: Any) -> None:
    stamp("ended", sender.request.id)


@signals.worker_ready.connect  # type: ignore[untyped-decorator]  # celery has no types
def _ready(**_: Any) -> None:
    # The pool's children are forked by now: the thread that watches the parent stays in this process.
    end_with(int(os.environ["LONE_PARENT_PID"]))
    announce(Path(os.environ["LONE_READY_FILE"]), {"pid": os.getpid()})


# After the stamp of a failure: what the plugin does then is measured.
install(app)


@app.task(bind=True, name="lone.call", redrive={"idempotent": True})  # type: ignore[untyped-decorator]  # celery has no types
def call(self: Task) -> str:
    """Fail as a dropped connection does, and succeed in the next run."""
    if not (self.request.headers or {}).get(ATTEMPT_HEADER):
        raise ConnectionResetError("Connection reset by peer")
    return "well"
