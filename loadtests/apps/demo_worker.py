"""The sample app for the demo's worker, which ends with the demo: `celery -A loadtests.apps.demo_worker worker`.

LLM_APP_PARENT_PID names the process to end with.
"""

from __future__ import annotations

import os
from typing import Any

from celery import signals

from loadtests.apps.lifecycle import end_with
from loadtests.apps.llm_app import app

__all__ = ["app"]


@signals.worker_ready.connect  # type: ignore[untyped-decorator]  # celery has no types
def _ready(**_: Any) -> None:
    # The pool's children are forked by now: the thread that watches the parent stays in this process.
    end_with(int(os.environ.get("LLM_APP_PARENT_PID", "0")) or None)
