"""An application whose one message stands for many runs: Celery's own tracer runs a task that does nothing, n times."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from celery import Celery
from celery.app.trace import fast_trace_task

from eventbus.celery_plugin import install, plugin_of
from eventbus.inflight import Unwritten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Task

app = Celery("million_app", broker=os.environ["BROKER"])
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)
install(app)
# A line for each run would be most of the work.
logging.getLogger("celery.app.trace").setLevel(logging.WARNING)


@app.task(name="million.nothing")
def nothing() -> None:
    """Do nothing."""


@contextmanager
def unwritten() -> Iterator[None]:
    """Keep the runs within out of the worker's journal: its main process, which saw no message, never began them."""
    plugin = plugin_of(app)
    assert plugin is not None
    journal, plugin.tracer._journal = plugin.tracer._journal, Unwritten()
    try:
        yield
    finally:
        plugin.tracer._journal = journal


@app.task(name="million.many", bind=True)
def many(self: Task, runs: int) -> None:
    """Run `nothing` so often, each time as the pool's child runs a message of its own: same tracer, same signals."""
    given = {**vars(self.request), "task": nothing.name}
    with unwritten():
        for _ in range(runs):
            uuid = str(uuid4())
            fast_trace_task(nothing.name, uuid, {**given, "id": uuid}, ([], {}, {}), None, None)
