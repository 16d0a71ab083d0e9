"""What becomes of executions that had not ended when the process was killed.

| status it had | what becomes of it |
|---|---|
| requested | runs now |
| delayed | runs when it is due, or now where that has passed |
| pending (an inquiry) | waits on, until its time to live ends |
| running (an action) | abandoned: nobody knows how it ended |
| canceling (an action) | canceled: what ran for it died too |
| running, pausing, paused, resuming, canceling (a workflow) | goes on from its state, told of the above |
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.executions import moved
from orchestrator.stackstorm.embedded.orquesta import statuses

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.executing import Executing
    from orchestrator.stackstorm.embedded.executions import Document
    from orchestrator.stackstorm.embedded.store import Store


def take_up(executing: Executing, store: Store) -> None:
    """Bring every execution that has no final status on its way again, oldest first: a workflow before its actions."""
    for document, due in store.executions.unfinished():
        work = partial(_take_up, executing, store, document, due)
        executing.turns.safely(work, partial(executing.broke, document["id"]))
    executing.workflows.take_up()


def _take_up(executing: Executing, store: Store, document: Document, due: float | None) -> None:
    status = store.executions.status(document["id"])
    if status != document["status"]:  # the turn of another has moved it on already
        return
    run = executing.workflows.of(document)
    if status in (statuses.REQUESTED, statuses.DELAYED):
        executing.begin(document, max(0.0, due - time.time()) if due is not None else 0)
    elif status == statuses.PENDING:
        if due is not None:
            executing.expire(document, due)
    elif run is not None:
        executing.workflows.advance(run)
    elif status == statuses.CANCELING:
        executing.finish(moved(document, statuses.CANCELED))
    else:
        executing.finish(moved(document, statuses.ABANDONED, result={}))
