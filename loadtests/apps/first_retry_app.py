"""The Celery app of `bench first-retry`: one task for each dependency of the plan, retried as CONTESTANT says.

A line of the file RUNS for each beginning and each end of a run: unix time, call, run (- for the first, retry-N for one
of Celery's own, else the attempt of a redrive), what: began, succeeded, failed or killed. `failed` comes before
anything is retried. BROKER, BACKEND, PROVIDER, PLAN, READY_FILE and PARENT_PID are what their names say.
"""

from __future__ import annotations

import os
import signal
import time
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import requests
from celery import Celery, signals
from celery.utils.time import get_exponential_backoff_interval
from psycopg.errors import DeadlockDetected

from eventbus.celery_plugin import install
from eventbus.wire import ATTEMPT_HEADER
from loadtests.apps.lifecycle import announce, end_with
from loadtests.first_retry.plan import Kind, read
from loadtests.first_retry.policies import CELERY_CAP, REDRIVE, SIDEKIQ, TEMPORAL, celery_gives_up, sidekiq, temporal

if TYPE_CHECKING:
    from celery import Task

CONTESTANT: Final = os.environ["CONTESTANT"]
PLAN: Final = read(Path(os.environ["PLAN"]).read_text())
CONFLICT: Final = 409
# Longer than any answer takes: what runs into it is a fault of the bench.
TIMEOUT_SECONDS: Final = 20
# The kernel kills in the middle of a run.
KILLED_AFTER_SECONDS: Final = 0.05

app = Celery("first_retry", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])
app.conf.update(broker_connection_retry_on_startup=True, worker_hijack_root_logger=False)
if CONTESTANT == REDRIVE:
    install(app)


def call(self: Task, number: int) -> str:
    """Make one call of the plan."""
    run = _run(self)
    _note(number, run, "began")
    kind = PLAN.calls[number].kind
    if kind is Kind.POISON or (kind is Kind.OOM and run == "-"):
        _die(number, run)
    try:
        _ask(self.name.partition(".")[2], number, run)
    except Exception as error:
        _note(number, run, "failed")
        raise _retried(self, error) from error
    _note(number, run, "succeeded")
    return "well"


for each in PLAN.dependencies:
    declared = {"dependency": each, "idempotent": True}
    app.task(call, bind=True, name=f"calls.{each}", redrive=declared, max_retries=None)


@signals.worker_ready.connect  # type: ignore[untyped-decorator]  # celery has no types
def _ready(**_: Any) -> None:
    # The pool's children are forked by now: the thread that watches the parent stays in this process.
    end_with(int(os.environ["PARENT_PID"]))
    announce(Path(os.environ["READY_FILE"]), {"pid": os.getpid()})


def _retried(task: Task, error: Exception) -> Exception:
    """Give what ends this run: Celery's own Retry, or the error itself where nothing is retried in the worker."""
    delay = _delay(task.request.retries)
    if delay is None:
        return error
    return task.retry(exc=error, countdown=delay / PLAN.scale, throw=False)  # type: ignore[no-any-return]  # untyped


def _delay(count: int) -> float | None:
    """Give the seconds of the world before the next retry."""
    if CONTESTANT == REDRIVE or celery_gives_up(CONTESTANT, count):
        return None
    if CONTESTANT == SIDEKIQ:
        return sidekiq(count, _dice(os.getpid()))
    if CONTESTANT == TEMPORAL:
        return temporal(count)
    return float(get_exponential_backoff_interval(factor=1, retries=count, maximum=CELERY_CAP, full_jitter=True))


def _ask(dependency: str, number: int, run: str) -> None:
    url = f"{os.environ['PROVIDER']}/call/{dependency}"
    response = _session(os.getpid()).post(url, json={"number": number, "run": run}, timeout=TIMEOUT_SECONDS)
    if response.status_code == CONFLICT:
        raise DeadlockDetected("deadlock detected")
    response.raise_for_status()


def _run(task: Task) -> str:
    retries = task.request.retries
    return str((task.request.headers or {}).get(ATTEMPT_HEADER) or (f"retry-{retries}" if retries else "-"))


def _die(number: int, run: str) -> None:
    time.sleep(KILLED_AFTER_SECONDS)
    _note(number, run, "killed")
    os.kill(os.getpid(), signal.SIGKILL)


def _note(number: int, run: str, what: str) -> None:
    os.write(_file(os.getpid()), f"{time.time():.6f} {number} {run} {what}\n".encode())


@cache
def _file(_pid: int) -> int:
    """Open the file once in each process; a line is one write, so those of other processes stay whole."""
    return os.open(os.environ["RUNS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


@cache
def _session(_pid: int) -> requests.Session:
    return requests.Session()


@cache
def _dice(pid: int) -> Random:
    return Random(PLAN.seed + pid)
