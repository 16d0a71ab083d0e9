"""Lone failures measured: each is told, decided by a rule and a workflow, and redriven, before the next one comes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from loadtests import packs
from loadtests.apps.feeder import Feeder
from loadtests.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

    from loadtests.processes import Processes

QUEUE: Final = "lone"
TASK: Final = "lone.call"
RULE: Final = "redrive.retry"
LOOK_SECONDS: Final = 0.01
PATIENCE: Final = 60.0
# The orchestrator's loops look around at fixed distances: the next failure comes at any moment between two looks.
LONGEST_PAUSE: Final = 0.3
FAILED, RECEIVED, ENDED = "failed", "received", "ended"
# What is told of each failure, in its order: the stage and who notes when it is reached.
STAGES: Final = {
    "failed -> incident": "opened",
    "incident -> trigger sent": "triggered",
    "trigger -> workflow begins": "execution",
    "workflow -> attempt recorded": "recorded",
    "attempt -> message received": RECEIVED,
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One failure: unix times of each stage; `rule` fired it and `execution_id` decided."""

    failed: float
    opened: float
    triggered: float
    execution: float
    recorded: float
    received: float
    execution_id: str

    @property
    def seconds(self) -> float:
        """From the failure in the worker to the redriven message in the worker's hands."""
        return self.received - self.failed

    def stages(self) -> dict[str, float]:
        """Give the seconds of each stage."""
        moments = [self.failed, *(getattr(self, name) for name in STAGES.values())]
        return {stage: after - before for stage, before, after in zip(STAGES, moments, moments[1:], strict=False)}


@dataclass(slots=True)
class Lone:
    """The processes, and what was seen of each failure so far: stage -> time, by task."""

    processes: Processes
    dice: Random
    _stack: Stack = field(init=False)
    _feeder: Feeder = field(init=False)
    _stamps: dict[str, dict[str, float]] = field(default_factory=dict)
    _read: int = 0

    def __post_init__(self) -> None:
        folder = self.processes.folder
        bus = f"redrive+sqlite:///{folder / 'bus.sqlite'}"
        copy = packs.changed(folder, {"retry": {"first_after_seconds": 0}})
        self._stack = Stack(self.processes, bus, copy)

    def start(self) -> None:
        """Start orchestrator, StackStorm and worker; raises ProcessFailed."""
        self._stack.start()
        folder, name = self.processes.folder, "worker"
        environ = {
            "BROKER": self._stack.bus,
            "BACKEND": f"db+sqlite:///{folder / 'results.sqlite'}",
            "REDRIVE_SPOOL_DIR": str(folder / "spool"),
            "LONE_STAMPS": str(folder / "stamps.txt"),
            "LONE_READY_FILE": str(self.processes.ready_file(name)),
            "LONE_PARENT_PID": str(os.getpid()),
        }
        options = ["-c", "1", "-Q", QUEUE, "-l", "ERROR", "--without-gossip", "--without-mingle"]
        command = ["-m", "celery", "-A", "loadtests.apps.lone_app", "worker", *options]
        self.processes.await_ready(self.processes.start(name, command, environ))
        self._feeder = Feeder(self._stack.bus)

    def fail(self) -> None:
        """Have one task fail, and wait until it has been redriven and its incident is closed."""
        known = len(self._stamps)
        self._feeder.send(QUEUE, TASK)
        self._wait(lambda: self._ended() > known, "a redriven task to end")
        self._wait(self._closed, "its incident to close")
        time.sleep(self.dice.uniform(0, LONGEST_PAUSE))

    def _wait(self, reached: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not reached():
            self.processes.refuse_ended()
            if time.monotonic() > deadline:
                raise TimeoutError(f"expected {what} within {PATIENCE:.0f} s, got nothing; see {self.processes.folder}")
            time.sleep(LOOK_SECONDS)

    def _ended(self) -> int:
        """Read what was stamped since the last look; gives the number of tasks that have ended."""
        path = self.processes.folder / "stamps.txt"
        if path.exists():
            with path.open() as stamps:
                stamps.seek(self._read)
                lines = stamps.readlines()
                self._read = stamps.tell()
            for what, task_id, at in (line.split() for line in lines):
                self._stamps.setdefault(task_id, {})[what] = float(at)
        return sum(ENDED in each for each in self._stamps.values())

    def _closed(self) -> bool:
        incidents = self._stack.ask("/api/v1/incidents?limit=1")["incidents"]
        return bool(incidents) and incidents[0]["state"] == "recovered"

    def samples(self) -> list[Sample]:
        """Give every failure, oldest first, with what ledger and StackStorm note of it.

        Raises RuntimeError where one was not decided by a workflow of its own.
        """
        executions = {each["id"]: each for each in self._stack.executions()}
        incidents = sorted(self._all(), key=lambda each: each["opened_at"])
        if len(incidents) != len(self._stamps):
            raise RuntimeError(f"expected an incident for each of {len(self._stamps)} failures, got {len(incidents)}")
        return [self._sample(each, executions) for each in incidents]

    def _all(self) -> list[dict[str, Any]]:
        return [self._stack.ask(f"/api/v1/incidents/{each['id']}") for each in self._stack.incidents()]

    def _sample(self, incident: Mapping[str, Any], executions: Mapping[str, Mapping[str, Any]]) -> Sample:
        opened = next(each for each in incident["dispatches"] if each["trigger"] == "redrive.incident_opened")
        failures = self._stack.ask(f"/api/v1/incidents/{incident['id']}/failures")["failures"]
        decided = str((incident["plan"] or {}).get("execution_id"))
        execution = executions.get(decided, {})
        began_by = (execution.get("rule") or {}).get("ref"), (execution.get("parameters") or {}).get("incident_id")
        if began_by != (RULE, incident["id"]) or len(failures) != 1:
            raise RuntimeError(
                f"expected incident {incident['id']} with one failure and a plan by an execution of {RULE} for it, "
                f"got {len(failures)} failures and the execution {decided} of {began_by}"
            )
        stamps = self._stamps[failures[0]["task_id"]]
        return Sample(
            failed=stamps[FAILED],
            opened=_moment(incident["opened_at"]),
            triggered=_moment(opened["sent_at"]),
            execution=_moment(execution["start_timestamp"]),
            recorded=_moment(failures[0]["attempts"][0]["recorded_at"]),
            received=stamps[RECEIVED],
            execution_id=decided,
        )

    def close(self) -> None:
        """Let the broker go."""
        self._feeder.delete([QUEUE])


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def stages_of(samples: Sequence[Sample]) -> dict[str, list[float]]:
    """Give the milliseconds of each stage, sample by sample."""
    return {stage: [each.stages()[stage] * 1000 for each in samples] for stage in STAGES}
