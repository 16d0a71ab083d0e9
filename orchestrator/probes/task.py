"""The probe by a task: a canary is published, and what its worker tells of the run is waited for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import orjson

from orchestrator.domain.errors import RedriveError
from orchestrator.domain.failures import TaskMessage
from orchestrator.domain.probes import ProbeResult, run_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from orchestrator.domain.ports import Redriver
    from orchestrator.domain.probes import ProbeEnd, TaskProbe

POLL_SECONDS: Final = 0.2
EMBED: Final = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


@dataclass(frozen=True, slots=True)
class TaskProber:
    """Sends canaries through the Celery broker. `ended` looks up what was told of a run, by its id."""

    redriver: Redriver
    ended: Callable[[UUID], ProbeEnd | None]

    def probe(self, spec: TaskProbe) -> ProbeResult:
        """Send one canary, and wait for the end of its run."""
        task_id, deadline = str(uuid4()), time.monotonic() + spec.timeout
        run_id = run_of(task_id)
        try:
            self.redriver.publish(message_of(spec, task_id, datetime.now(UTC)), run_id, None)
            return self._wait(spec, run_id, deadline)
        except RedriveError as error:
            return ProbeResult(passed=False, why=f"nothing is known: {error}")

    def _wait(self, spec: TaskProbe, run_id: UUID, deadline: float) -> ProbeResult:
        while (end := self.ended(run_id)) is None:
            if time.monotonic() >= deadline:
                why = f"no worker told the end of {spec.task} on queue {spec.queue} within {spec.timeout:g} s"
                return ProbeResult(passed=False, why=why)
            time.sleep(POLL_SECONDS)
        return ProbeResult(end.passed, end.why, retry_after=end.retry_after)


def message_of(spec: TaskProbe, task_id: str, now: datetime) -> TaskMessage:
    """Make the message of a canary (Celery's message protocol 2), which expires when nobody waits for it any more."""
    headers = {
        "lang": "py",
        "task": spec.task,
        "id": task_id,
        "root_id": task_id,
        "parent_id": None,
        "group": None,
        "retries": 0,
        "timelimit": [None, None],
        "expires": (now + timedelta(seconds=spec.timeout)).isoformat(),
        "argsrepr": "()",
        "kwargsrepr": "{}",
        "origin": "redrive-probe",
        # Nobody asks for its result; and what the backend does not hold does not look lost there.
        "ignore_result": True,
    }
    return TaskMessage(
        body=orjson.dumps([spec.args, dict(spec.kwargs), EMBED]),
        content_type="application/json",
        content_encoding="utf-8",
        headers=headers,
        properties={"correlation_id": task_id, "delivery_mode": 1},
        exchange="",
        routing_key=spec.queue,
    )
