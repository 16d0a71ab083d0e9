"""The sample app with a stamp at each step of a run, for the load test: `celery -A loadtests.apps.timed worker`.

Where LLM_APP_STAMPS names a file, a worker adds lines to it as loadtests/stamps.py says: when it receives a message and
what that took, when a child begins, when the run is over and what it took inside, all plugins included.
LLM_APP_READY_FILE and LLM_APP_PARENT_PID are what --ready-file and --parent-pid are elsewhere. Every arm of the load
test runs this, so that what it costs is in all of them. The pool is this app's own prefork: leave `-P` out.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery import signals

from loadtests.apps.lifecycle import announce, end_with
from loadtests.apps.llm_app import app
from loadtests.apps.timed_parent import Timing

__all__ = ["app"]

app.conf.worker_pool = "loadtests.apps.timed_prefork:TaskPool"
app.steps["worker"].add(Timing)


@signals.worker_ready.connect  # type: ignore[untyped-decorator]  # celery has no types
def _ready(**_: Any) -> None:
    # The pool's children are forked by now: the thread that watches the parent stays in this process.
    parent, ready_file = os.environ.get("LLM_APP_PARENT_PID"), os.environ.get("LLM_APP_READY_FILE")
    end_with(int(parent) if parent else None)
    announce(Path(ready_file) if ready_file else None, {"pid": os.getpid()})
