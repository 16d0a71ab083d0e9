"""The tasks of `worker_app`, and those that pools other than prefork deal with in their own way."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from tests.integration.worker_app import app, note

app.conf.worker_pool_start_method = os.environ.get("START_METHOD", "fork")


@app.task(name="pools_app.fail")
def fail() -> None:
    """Raise."""
    raise ConnectionRefusedError("nobody there")


@app.task(name="pools_app.leave")
def leave() -> None:
    """Ask the interpreter to exit."""
    note("leave")
    sys.exit(3)


@app.task(name="pools_app.limited", time_limit=1)
def limited() -> None:
    """Take longer than the task may."""
    note("limited")
    for _ in range(30):
        time.sleep(0.1)


@app.task(name="pools_app.waits")
def waits() -> None:
    """Run for long the first time."""
    first = not Path(f"{os.environ['RUNS']}.waited").exists()
    Path(f"{os.environ['RUNS']}.waited").touch()
    note("waits")
    if first:
        time.sleep(60)
