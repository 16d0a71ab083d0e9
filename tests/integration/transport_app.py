"""The Celery app of the transport's tests: each run of its task `mark` leaves a line in a file."""

from __future__ import annotations

import os
import signal
import time

from celery import Celery

from eventbus.transport import Transport

if os.environ.get("TRANSPORT_APP_LOOP") == "blocking":
    # Celery asks the transport which of its two loops to run.
    Transport.implements = Transport.implements.extend(asynchronous=False)

app = Celery("transport_app", broker=os.environ["TRANSPORT_APP_BROKER"], backend=os.environ["TRANSPORT_APP_RESULTS"])
app.conf.update(
    task_acks_late=True,
    task_track_started=True,
    worker_prefetch_multiplier=4,
    broker_connection_retry_on_startup=True,
    worker_cancel_long_running_tasks_on_connection_loss=True,
)


@app.task(ignore_result=True)
def mark(number: int, seconds: float = 0.0) -> None:
    """Append one line that names the message and the process; O_APPEND keeps lines of several processes whole."""
    if seconds:
        time.sleep(seconds)
    file = os.open(os.environ["TRANSPORT_APP_MARKS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, f"{number} {os.getpid()}\n".encode())
    finally:
        os.close(file)


@app.task
def add(left: int, right: int) -> int:
    """Give the sum."""
    return left + right


@app.task
def publish_from_child(numbers: list[int]) -> int:
    """Publish one `mark` for each number, from the pool's child."""
    for number in numbers:
        mark.delay(number)
    return os.getpid()


@app.task
def die() -> None:
    """Kill the pool's child that runs this."""
    os.kill(os.getpid(), signal.SIGKILL)
