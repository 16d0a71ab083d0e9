"""A Celery app under load: a task fails, or costs something, and notes in a file what it did, for the test to count."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from celery import Celery

from eventbus.celery_plugin import install
from eventbus.telemetry import llm_call

if TYPE_CHECKING:
    from celery import Task

app = Celery("cut", broker=os.environ["CUT_BROKER"])
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)
install(app)


def note(what: str, task: Task) -> None:
    """Add a line to the notes: it survives the death of this process, not the machine's."""
    notes = os.open(os.environ["CUT_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(notes, f"{what} {task.request.id}\n".encode())
    finally:
        os.close(notes)


@app.task(name="cut.fail", bind=True)
def fail(self: Task, seconds: float) -> None:
    """Take its time, note that it fails, and fail."""
    time.sleep(seconds)
    note("raised", self)
    raise ConnectionResetError("the model answers nothing")


@app.task(name="cut.pay", bind=True)
def pay(self: Task, seconds: float) -> None:
    """Take its time, record what it cost, then note that it has."""
    time.sleep(seconds)
    llm_call(provider="openai", model="gpt-4o", input_tokens=374, output_tokens=44)
    note("paid", self)
