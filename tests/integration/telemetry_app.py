"""An application that tells what it does, in a file of its own so that a worker can load it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from celery import Celery

from eventbus.celery_plugin import install
from eventbus.telemetry import llm_call, span

if TYPE_CHECKING:
    from celery import Task

app = Celery("telemetry_app", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])
app.conf.broker_connection_retry_on_startup = True
install(app)

CALL = {"provider": "openai", "model": "gpt-4o", "input_tokens": 1, "output_tokens": 2}


@app.task(name="telemetry_app.ask")
def ask(depth: int) -> int:
    """Make a call, and send a task that does so too, until the depth is 0."""
    with span("ask", depth=depth):
        llm_call(**CALL)
        if depth:
            ask.delay(depth - 1)
    return depth


@app.task(name="telemetry_app.fail_then_ask", bind=True)
def fail_then_ask(self: Task) -> None:
    """Fail in the first run; make a call in a redrive."""
    if "redrive-attempt" not in (self.request.headers or {}):
        raise ConnectionError("the first run")
    llm_call(**CALL)


@app.task(name="telemetry_app.misuse")
def misuse() -> list[str]:
    """Make three calls that cannot be, and say what each was told."""
    said = []
    for change in ({"duration_seconds": float("nan")}, {"user_id": "x" * 5_000_000}, {"usr_id": "ann"}):
        try:
            llm_call(**CALL | change)
        except (TypeError, ValueError) as error:
            said.append(str(error))
    return said
