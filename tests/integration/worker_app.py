"""The application whose failures the tests of the worker look at, in a file of its own so that a worker can load it.

Broker, backend, bus and spool stand in the environment; runs are noted in the file RUNS, one line each.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.exceptions import Reject

from eventbus.celery_plugin import install

if TYPE_CHECKING:
    from celery import Task

app = Celery("worker_app", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])
app.conf.broker_connection_retry_on_startup = True
install(app, declarations={"worker_app.*": {"dependency": "by-pattern", "idempotent": True}})


class Response:
    """What an HTTP client keeps of an answer; it does not pickle."""

    status_code = 429
    headers: dict[str, str] = {"retry-after": "7"}  # noqa: RUF012 - as HTTP clients have it

    def __reduce__(self) -> str:
        raise TypeError("expected to stay in this process")


class Refused(Exception):
    """An exception that does not survive the way to another process."""

    def __init__(self, message: str, *, response: Response) -> None:
        super().__init__(message)
        self.response = response


def note(text: str) -> None:
    """Add a line to the file RUNS."""
    with Path(os.environ["RUNS"]).open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")


@app.task(name="worker_app.fail", bind=True)
def fail(self: Task, items: list[Any], **options: Any) -> None:
    """Change what it was given, then fail."""
    note(f"fail {self.request.id}")
    items.append("changed by the task")
    options["more"] = "changed by the task"
    self.request.args = ["changed"]
    try:
        raise ConnectionRefusedError("nobody there at 10.0.0.1:443")
    except OSError as error:
        raise Refused("too many requests", response=Response()) from error


@app.task(name="worker_app.work", bind=True, redrive={"dependency": "own"})
def work(self: Task, result: object) -> object:
    """Succeed."""
    note(f"work {self.request.id} {(self.request.headers or {}).get('redrive-attempt', '-')}")
    return result


@app.task(name="worker_app.fail_once", bind=True)
def fail_once(self: Task, key: str, number: int) -> str:
    """Fail in the first run of this key, succeed later."""
    note(f"fail_once {self.request.id} {self.request.retries}")
    try:
        Path(f"{os.environ['RUNS']}.{key}").touch(exist_ok=False)
    except FileExistsError:
        return f"{key}-{number}"
    raise ValueError("the first run")


@app.task(name="worker_app.retried", autoretry_for=(ValueError,), default_retry_delay=0, max_retries=2, bind=True)
def retried(self: Task) -> None:
    """Fail for ever, with Celery's own retries."""
    note(f"retried {self.request.retries}")
    raise ValueError("again")


@app.task(name="worker_app.rejected")
def rejected() -> None:
    """Refuse the message: no failure of a run."""
    raise Reject("not mine", requeue=False)


@app.task(name="worker_app.slow")
def slow(seconds: float) -> None:
    """Take time."""
    note("slow")
    time.sleep(seconds)


@app.task(name="worker_app.die")
def die() -> None:
    """Kill the process that runs this, as the kernel does when memory is short."""
    note(f"die {time.time()}")
    os.kill(os.getpid(), signal.SIGKILL)
