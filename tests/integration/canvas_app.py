"""Tasks that are put together into chains, groups and chords; some fail in their first run, and each notes its runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from celery import Celery

from eventbus.celery_plugin import install

if TYPE_CHECKING:
    from celery import Task

app = Celery("canvas_app", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])
app.conf.update(broker_connection_retry_on_startup=True, result_extended=True)
install(app)


def note(task: Task, *words: object) -> int:
    """Add a line of words to the file of runs; gives how often this task ran before under its id."""
    path = Path(os.environ["RUNS"])
    before = path.read_text().count(f"{task.request.id} ") if path.exists() else 0
    with path.open("a") as runs:
        runs.write(" ".join(map(str, (task.name, task.request.id, *words))) + "\n")
    return before


@app.task(name="double", bind=True)
def double(self: Task, number: int) -> int:
    """Give twice the number."""
    note(self, number)
    return 2 * number


@app.task(name="flaky", bind=True)
def flaky(self: Task, number: int) -> int:
    """Fail in the first run; then give the number plus one."""
    request = self.request
    if note(self, number, request.group or "-", request.group_index) == 0:
        raise ConnectionResetError(f"the first run of {number}")
    return number + 1


@app.task(name="waits", bind=True)
def waits(self: Task, number: int) -> int:
    """Give the number once the file GATE is there."""
    note(self, number)
    gate = Path(os.environ["GATE"])
    while not gate.exists():
        gate.parent.stat()
    return number


@app.task(name="total", bind=True)
def total(self: Task, numbers: list[int]) -> int:
    """Be the body of a chord."""
    note(self, numbers)
    return sum(numbers)


@app.task(name="heard", bind=True)
def heard(self: Task, *given: object) -> None:
    """Be a callback, or an errback."""
    note(self, len(given))
