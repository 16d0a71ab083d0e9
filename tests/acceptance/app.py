"""A Celery app for the acceptance tests: tasks that fail once, or may not run twice; each leaves a trace on disk."""

from __future__ import annotations

import os
import time
from pathlib import Path

from celery import Celery, Task

from eventbus.celery_plugin import install
from eventbus.telemetry import llm_call

FOLDER = Path(os.environ.get("ACCEPTANCE_FOLDER", "."))
app = Celery("acceptance", broker=os.environ.get("ACCEPTANCE_BROKER"), backend=os.environ.get("ACCEPTANCE_BACKEND"))
install(app)


def run_noted(task: Task, name: str) -> int:
    """Append this run to the runs on disk; gives how many there were of that name before."""
    path = FOLDER / "runs.txt"
    before = sum(line.split()[0] == name for line in path.read_text().splitlines()) if path.exists() else 0
    line = f"{name} {task.request.id} {task.request.delivery_info['routing_key']}\n"
    with path.open("a") as runs:
        runs.write(line)
    return before


def fail_while_down(first: bool) -> None:
    """Fail the first run of a task, and every run while the file `down` is there."""
    if first or (FOLDER / "down").exists():
        raise ConnectionResetError("the model answers nothing")


@app.task(bind=True, redrive={"dependency": "model", "idempotent": True})
def fragile(self: Task, name: str) -> str:
    """Fail once, then succeed, at the price of one model call."""
    fail_while_down(run_noted(self, name) == 0)
    llm_call(provider="openai", model="gpt-4o", input_tokens=374, output_tokens=44, response_id=name)
    return name


@app.task(bind=True, redrive={"dependency": "model", "idempotent": True})
def slow(self: Task, name: str) -> str:
    """Fail once, then take its time."""
    fail_while_down(run_noted(self, name) == 0)
    time.sleep(0.3)
    return name


@app.task(bind=True, redrive={"dependency": "till"})
def charge(self: Task, name: str) -> str:
    """Do what must not be done twice by itself."""
    fail_while_down(run_noted(self, name) == 0)
    return name


@app.task(bind=True, redrive={"dependency": "model", "idempotent": True})
def greedy(self: Task, name: str) -> str:
    """Run out of memory on its own queue, as told; a larger one has enough."""
    run_noted(self, name)
    if self.request.delivery_info["routing_key"] != "bulk":
        raise SoftMemoryError("not enough for this one")
    return name


@app.task(bind=True, redrive={"dependency": "model", "idempotent": True})
def answer(self: Task, name: str, region: str = "us") -> str:
    """Fail in its own region while the file `down` is there; another region answers."""
    run_noted(self, name)
    if region == "us":
        fail_while_down(first=False)
    return region


class SoftMemoryError(Exception):
    """Stands for a limit that was reached: its type tells the kind."""

    status_code = None
