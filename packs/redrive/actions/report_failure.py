"""Report a failure of something that is no Celery task, so that it becomes an incident and somebody is told."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from orchestrator_api import Orchestrator, opened, refusal
from st2common.runners.base_action import Action

REFUSED = 400
FOUND = 200
SOURCE = "urn:redrive:stackstorm"
POLL_SECONDS = 0.5
LONGEST = 1000


class ReportFailure(Action):
    """The same task and key are one failure, however often it is reported."""

    def run(self, task: str, message: str, key: str, error: str, wait_seconds: float) -> tuple[bool, dict[str, Any]]:
        """Answer the incident that the failure belongs to, its revision, and the plan that a rule gave it meanwhile.

        `plan` is null where no rule gave one within the seconds to wait, `new` tells whether this was the first report.
        A refusal fails with the exit code 0; an exception is worth another try, and so is an incident not yet there.
        """
        orchestrator = Orchestrator(self.config)
        failure_id = str(uuid5(NAMESPACE_URL, f"{SOURCE}:{task}:{key}"))
        event = _event(failure_id, task, error, opened(message)[:LONGEST])
        status, answer = orchestrator.hand_over(event)
        if status >= REFUSED:
            return False, refusal(status, answer)
        incident = _incident_of(orchestrator, failure_id, wait_seconds)
        return True, dict(incident, failure_id=failure_id, new=answer.get("status") == "accepted")


def _event(failure_id: str, task: str, error: str, message: str) -> dict[str, Any]:
    now = datetime.now(timezone.utc).isoformat()
    nothing = {"body": "", "content_type": "application/json", "content_encoding": "utf-8", "headers": {}}
    return {
        "specversion": "1.0",
        "id": failure_id,
        "source": SOURCE,
        "type": "redrive.task.failed.v1",
        "time": now,
        "data": {
            "failure_id": failure_id,
            "task_id": failure_id,
            "task": task,
            "retries": 0,
            "attempt_id": None,
            "captured": "exception",
            "exception": {
                "type": error, "message": message, "traceback": "", "chain": [], "status": None, "retry_after": None,
            },
            "declaration": {"dependency": None, "idempotent": False},
            # There is no message: nobody can have it published again.
            "message": dict(nothing, properties={}, exchange="", routing_key="", queue=None, missing=True),
            "worker": "stackstorm",
            "occurred_at": now,
        },
    }  # fmt: skip


def _incident_of(orchestrator: Orchestrator, failure_id: str, wait_seconds: float) -> dict[str, Any]:
    """Wait until the failure has an incident and that a plan, or the time is over; raises LookupError without one."""
    deadline = time.monotonic() + wait_seconds
    while True:
        incident = _look(orchestrator, failure_id)
        if incident.get("plan") or time.monotonic() > deadline:
            break
        time.sleep(POLL_SECONDS)
    if not incident:
        raise LookupError(f"expected the failure {failure_id} to have an incident, got none in {wait_seconds} s")
    plan = incident.get("plan") or {}
    return {"incident_id": incident["id"], "revision": incident["revision"], "plan": plan.get("name")}


def _look(orchestrator: Orchestrator, failure_id: str) -> dict[str, Any]:
    status, failure = orchestrator.get(f"/failures/{failure_id}")
    if status != FOUND or not failure.get("incident_id"):
        return {}
    status, incident = orchestrator.get("/incidents/{}".format(failure["incident_id"]))
    return incident if status == FOUND else {}
