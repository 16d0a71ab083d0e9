"""The application of the night: five tasks that lean on two dependencies, each of which a file can take away.

Each run appends one line to `runs.txt`: task id, attempt (`-` for what no redrive brought), `ok` or `failed`, task.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from celery import Celery, Task

from eventbus.celery_plugin import install
from eventbus.vocabulary import ATTEMPT_HEADER

FOLDER: Final = Path(os.environ.get("ACCEPTANCE_FOLDER", "."))
PAYMENTS: Final = {"dependency": "payments-api"}
# Only what leans on the model may run twice: money asks for a person.
MODEL: Final = {"dependency": "model-api", "idempotent": True}

app = Celery("night", broker=os.environ.get("ACCEPTANCE_BROKER"))
app.conf.task_ignore_result = True
app.conf.worker_prefetch_multiplier = 50
install(app)


def _run(task: Task, dependency: str, error: Exception) -> None:
    """Leave a trace of this run, and fail while the dependency is away."""
    down = (FOLDER / f"down-{dependency}").exists()
    attempt = task.request.get(ATTEMPT_HEADER) or "-"
    line = f"{task.request.id} {attempt} {'failed' if down else 'ok'} {task.name}\n"
    # One write to a file opened for appending: lines of several processes do not mix.
    with (FOLDER / "runs.txt").open("ab", buffering=0) as runs:
        runs.write(line.encode())
    if down:
        raise error


@app.task(bind=True, name="payments.charge", redrive=PAYMENTS)
def charge(self: Task, order: int) -> None:
    """Take the money of an order."""
    _run(self, "payments-api", ConnectionRefusedError(f"payments-api: connection refused, order {order} not charged"))


@app.task(bind=True, name="payments.capture", redrive=PAYMENTS)
def capture(self: Task, order: int) -> None:
    """Take what was reserved."""
    _run(self, "payments-api", TimeoutError(f"payments-api: no answer within 30 s for order {order}"))


@app.task(bind=True, name="payments.refund", redrive=PAYMENTS)
def refund(self: Task, order: int) -> None:
    """Give money back."""
    _run(self, "payments-api", ConnectionResetError(f"payments-api: connection reset while refunding {order}"))


@app.task(bind=True, name="texts.summarise", redrive=MODEL)
def summarise(self: Task, ticket: int) -> None:
    """Say in a line what a ticket is about."""
    _run(self, "model-api", ConnectionRefusedError(f"model-api: connection refused, ticket {ticket} not summarised"))


@app.task(bind=True, name="texts.classify", redrive=MODEL)
def classify(self: Task, ticket: int) -> None:
    """Say which desk a ticket goes to."""
    _run(self, "model-api", TimeoutError(f"model-api: no answer within 60 s for ticket {ticket}"))
