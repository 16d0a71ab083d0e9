"""Failure and outcome events as the plugin makes them, without a worker: what a storm is made of."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from eventbus import wire

DEPENDENCY: Final = "storm-provider"
TASKS: Final = ("shop.ask_model", "shop.summarise", "shop.translate")
BODY: Final = b'[[512, 64], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'
SOURCE: Final = "urn:redrive:worker:storm@loadtests"
WORKER: Final = "storm@loadtests"


@dataclass(frozen=True, slots=True)
class Called:
    """One call of a task: what its message holds."""

    task: str
    task_id: str
    queue: str

    def message(self) -> dict[str, Any]:
        """Give the message as Celery's protocol 2 has it."""
        headers = {
            "lang": "py",
            "task": self.task,
            "id": self.task_id,
            "root_id": self.task_id,
            "parent_id": None,
            "group": None,
            "retries": 0,
            "timelimit": [None, None],
            "argsrepr": "(512, 64)",
            "kwargsrepr": "{}",
            "origin": WORKER,
            "ignore_result": False,
        }
        return {
            "body": b64encode(BODY).decode(),
            "content_type": "application/json",
            "content_encoding": "utf-8",
            "headers": headers,
            "properties": {"correlation_id": self.task_id, "reply_to": self.task_id, "priority": 0, "delivery_mode": 2},
            "exchange": "",
            "routing_key": self.queue,
            "queue": self.queue,
        }


def failed(call: Called, attempt_id: str | None = None) -> wire.Event:
    """Tell that a run of it failed: the dependency was away, told with a request id that no other message has."""
    now = datetime.now(UTC)
    data = {
        "failure_id": str(wire.failure_id(call.task_id, 0, attempt_id)),
        "task_id": call.task_id,
        "task": call.task,
        "retries": 0,
        "attempt_id": attempt_id,
        "captured": "exception",
        "exception": {
            "type": "requests.exceptions.HTTPError",
            "message": f"503 Server Error: Service Unavailable (request {uuid4()})",
            "traceback": "Traceback (most recent call last):\n  ...\nrequests.exceptions.HTTPError: 503 Server Error",
            "chain": [],
            "status": 503,
            "retry_after": None,
        },
        "declaration": {"dependency": DEPENDENCY, "idempotent": True},
        "message": call.message(),
        "worker": WORKER,
        "occurred_at": now.isoformat(),
    }
    return wire.Event(str(uuid4()), SOURCE, wire.TASK_FAILED, now, data, subject=call.task_id)


def succeeded(task: str, task_id: str, attempt_id: str) -> wire.Event:
    """Tell that a redriven run of a task succeeded."""
    now = datetime.now(UTC)
    data = {
        "attempt_id": attempt_id,
        "task_id": task_id,
        "task": task,
        "outcome": "succeeded",
        "ended_at": now.isoformat(),
        "runtime_seconds": 0.0,
        "worker": WORKER,
    }
    return wire.Event(str(uuid4()), SOURCE, wire.ATTEMPT_ENDED, now, data, subject=task_id)
