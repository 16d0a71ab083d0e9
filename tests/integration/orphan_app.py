"""A Celery app, without the plugin unless PLUGIN is set: what becomes of its tasks, the result backend alone tells."""

from __future__ import annotations

import os
import time

from celery import Celery

import eventbus.transport  # noqa: F401 - makes redrive+sqlite:// a broker's URL
from eventbus.celery_plugin import install

app = Celery("orphan_app", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])
app.conf.broker_connection_retry_on_startup = True
app.conf.task_track_started = True
app.conf.result_extended = "EXTENDED" in os.environ
if "PLUGIN" in os.environ:
    install(app)


@app.task(name="orphan_app.slow")
def slow(seconds: float) -> str:
    """Take time."""
    time.sleep(seconds)
    return "done"


@app.task(name="orphan_app.kept", acks_late=True)
def kept(seconds: float) -> str:
    """Take time; the broker holds the message until the end."""
    time.sleep(seconds)
    return "done"
