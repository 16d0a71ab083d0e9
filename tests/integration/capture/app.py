"""The application whose tasks end in each of the bad ways; a worker loads it from this file.

The environment says where broker, backend and bus are, whether the faults are MENDED (the worker that takes the
redrives), and with PLUGIN=off that nothing is installed: then SIGNALS is the file in which Celery's own reports stand.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from billiard.util import set_pdeathsig
from celery import Celery
from kombu import Queue

import eventbus.transport  # noqa: F401 - makes redrive+sqlite:// a broker's URL, with the plugin and without

if TYPE_CHECKING:
    from celery import Task

MENDED = os.environ.get("MENDED") == "yes"
RUNS = Path(os.environ["RUNS"])
LIMITED = "limited"
DELIVERIES = 2

app = Celery("capture", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])
app.conf.update(
    accept_content=["json", "pickle"] if MENDED else ["json"],
    broker_connection_retry_on_startup=True,
    broker_transport_options=json.loads(os.environ.get("TRANSPORT_OPTIONS", "{}")),
    task_queues=[Queue("celery")],
    task_track_started=True,
    worker_cancel_long_running_tasks_on_connection_loss=True,
)
if app.conf.broker_url.startswith("amqp"):
    limits = {"x-queue-type": "quorum", "x-delivery-limit": DELIVERIES}
    app.conf.task_queues.append(Queue(LIMITED, queue_arguments=limits))

if os.environ.get("PLUGIN") == "off":
    from tests.integration.capture import listening

    listening.connect(Path(os.environ["SIGNALS"]))
else:
    from eventbus.celery_plugin import install

    install(app, declarations={"capture.*": {"dependency": "capture"}})


def begin(task: Task) -> None:
    """Note in the file RUNS that a run began: name, id, process, and the redrive that it is, if it is one."""
    attempt = (task.request.headers or {}).get("redrive-attempt", "-")
    with RUNS.open("a", encoding="utf-8") as file:
        file.write(f"{task.name} {task.request.id} {os.getpid()} {attempt}\n")


def runs_of(task_id: str) -> int:
    """Count the runs of a task so far, this one included."""
    return sum(line.split()[1] == task_id for line in RUNS.read_text(encoding="utf-8").splitlines())


def wait_until_let_go(task: Task) -> str:
    """Wait for the file that is named for the task's id; the mended worker waits for none."""
    while not (MENDED or RUNS.with_name(task.request.id).exists()):
        time.sleep(0.05)
    RUNS.with_name(f"{task.request.id}.done").touch()
    return "done"


def kill_this_process() -> None:
    """Die as the kernel lets a process die when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="capture.work", bind=True)
def work(self: Task, *_: Any, **__: Any) -> str:
    """Succeed."""
    begin(self)
    return "done"


@app.task(name="capture.raises", bind=True)
def raises(self: Task, *_: Any, **__: Any) -> str:
    """Raise, until that is mended."""
    begin(self)
    if not MENDED:
        raise TimeoutError("no answer within 30 s")
    return "done"


@app.task(name="capture.takes_nothing", bind=True)
def takes_nothing(self: Task) -> None:
    """Take no arguments: a call with some can never succeed."""
    begin(self)


def dies(self: Task, *_: Any, **__: Any) -> str:
    """Kill the process that runs this, until that is mended."""
    begin(self)
    if not MENDED:
        kill_this_process()
    return "done"


app.task(dies, name="capture.dies", bind=True)
app.task(dies, name="capture.dies_late", bind=True, acks_late=True)
app.task(dies, name="capture.dies_limited", bind=True, acks_late=True, reject_on_worker_lost=True)


@app.task(name="capture.dies_twice", bind=True, acks_late=True, reject_on_worker_lost=True)
def dies_twice(self: Task, *_: Any, **__: Any) -> str:
    """Kill the process in the first two runs; the broker brings the third, which waits to be let go."""
    begin(self)
    if runs_of(self.request.id) <= DELIVERIES:
        kill_this_process()
    return wait_until_let_go(self)


@app.task(name="capture.exits", bind=True)
def exits(self: Task, *_: Any, **__: Any) -> str:
    """Leave the process in the middle of a task, until that is mended."""
    begin(self)
    if not MENDED:
        sys.exit(3)
    return "done"


@app.task(name="capture.too_long", bind=True, time_limit=3)
def too_long(self: Task, *_: Any, **__: Any) -> str:
    """Take longer than the task may, until that is mended."""
    begin(self)
    return wait_until_let_go(self)


@app.task(name="capture.short_of_memory", bind=True)
def short_of_memory(self: Task, *_: Any, **__: Any) -> str:
    """Find no memory, until that is mended."""
    begin(self)
    if not MENDED:
        raise MemoryError("no more")
    return "done"


@app.task(name="capture.waits", bind=True)
def waits(self: Task, *_: Any, **__: Any) -> str:
    """Run until it is let go."""
    begin(self)
    return wait_until_let_go(self)


@app.task(name="capture.outlives", bind=True)
def outlives(self: Task, *_: Any, **__: Any) -> str:
    """Run until it is let go, though the worker's main process be killed: elsewhere than on Linux children live on."""
    set_pdeathsig(0)
    begin(self)
    return wait_until_let_go(self)


def waits_always(self: Task, *_: Any, **__: Any) -> str:
    """Run until it is let go, in every worker."""
    begin(self)
    while not RUNS.with_name(self.request.id).exists():
        time.sleep(0.05)
    return "done"


app.task(waits_always, name="capture.waits_always", bind=True)
app.task(waits_always, name="capture.waits_late", bind=True, acks_late=True)


if MENDED:

    @app.task(name="capture.deployed_late", bind=True)
    def deployed_late(self: Task, *_: Any, **__: Any) -> str:
        """Be known to the mended worker alone."""
        begin(self)
        return "done"
