"""A worker's two lives: in the first, tasks end badly; in the second all is mended, and what can be redriven is."""

from __future__ import annotations

import signal
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from celery import Celery

from eventbus import wire
from orchestrator.domain.attempts import IN_FLIGHT
from orchestrator.domain.failures import FailureState
from tests.integration.capture.cases import Case, End, Group
from tests.integration.capture.messages import Sent, call, publish
from tests.integration.capture.orchestra import Orchestra
from tests.integration.capture.worker import Worker, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from orchestrator.domain.attempts import Attempt
    from orchestrator.domain.ledger import StoredFailure

# kombu 5.6 looks for what is due when a worker starts, then every 100 s; 5.7 as often as it is told.
REDIS_OPTIONS = '{"visibility_timeout": 1, "unacked_restore_interval": 1, "unacked_restore_throttle": 1}'
CAPTURE_PATIENCE = 60.0
PROCESSES = 3


@dataclass
class Seen:
    """What became of one case: `first` is its failure before it was redriven; `strangers` are nobody's failures."""

    case: Case
    sent: Sent
    first: StoredFailure | None = None
    refusal: str = ""
    failures: list[StoredFailure] = field(default_factory=list)
    events: list[wire.Event] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    runs: list[list[str]] = field(default_factory=list)
    strangers: list[StoredFailure] = field(default_factory=list)


class Stage:
    """Plays the cases of one group on one bus, with one interpreter and one kind of pool."""

    def __init__(
        self, folder: Path, url: str, python: str, group: Group, cases: Sequence[Case], *, pool: str = "prefork"
    ) -> None:
        self.url, self.group, self.pool = url, group, pool
        settings = {
            "BROKER": url,
            "BACKEND": f"db+sqlite:///{folder}/results.sqlite",
            "REDRIVE_BUS_URL": url,
            "REDRIVE_SPOOL_DIR": str(folder / "spool"),
        }
        if url.startswith("redis") and group is Group.KILLED:
            settings["TRANSPORT_OPTIONS"] = REDIS_OPTIONS
        self.worker = Worker(folder, python, settings)
        self.orchestra = Orchestra.at(url)
        self.cases = cases
        self.seen: dict[str, Seen] = {}

    def play(self) -> dict[str, Seen]:
        """Play both lives; gives what became of each case."""
        try:
            self._start()
            FIRST_LIFE[self.group](self)
            self._start(MENDED="yes")
            self._second_life()
            self.worker.stop()
            self._collect()
        finally:
            self.worker.clear_away()
            self.orchestra.close()
        return self.seen

    def _start(self, **settings: str) -> None:
        queues = "celery,limited" if self.url.startswith("amqp") else "celery"
        self.worker.start("-Q", queues, "--pool", self.pool, "-c", str(PROCESSES), **settings)

    def send(self, name: str) -> None:
        """Publish a case's message, if the case is played."""
        case = next((each for each in self.cases if each.name == name), None)
        if case is not None:
            self.seen[name] = Seen(case, publish(self.url, case.task, **case.message))

    def begun(self, name: str) -> bool:
        """Tell whether a case's task runs or ran; one that is not played counts as begun."""
        return name not in self.seen or bool(self.worker.runs_of(self.seen[name].sent.id))

    def revoke(self, name: str) -> None:
        """Have the worker know that a task is revoked before its message comes."""
        case = next((each for each in self.cases if each.name == name), None)
        if case is None:
            return
        task_id = str(uuid4())
        with Celery("operator", broker=self.url, set_as_current=False) as operator:
            answers = operator.control.revoke(task_id, reply=True, timeout=20, limit=1)
        assert answers, f"no answer to revoke:\n{self.worker.log[-2000:]}"
        self.seen[name] = Seen(case, publish(self.url, case.task, task_id=task_id))
        wait_for(lambda: f"Discarding revoked task: {case.task}[{task_id}]" in self.worker.log, "the revoked task")

    def expire(self, name: str) -> None:
        """Publish a case's message, if it is played, such that the worker is handed it and finds it expired.

        RabbitMQ drops what expires in its queue: there a busy worker has it before its time is over.
        """
        case = next((each for each in self.cases if each.name == name), None)
        if case is None:
            return
        if not self.url.startswith("amqp"):
            self.seen[name] = Seen(case, call(self.url, case.task, expires=datetime.now(UTC) - timedelta(days=1)))
            return
        busy = [publish(self.url, "capture.waits").id for _ in range(PROCESSES)]
        wait_for(lambda: all(map(self.worker.runs_of, busy)), "a busy worker")
        sent = call(self.url, case.task, expires=2)
        self.seen[name] = Seen(case, sent)
        wait_for(lambda: f"Task {case.task}[{sent.id}] received" in self.worker.log, "the message that will expire")
        wait_for(lambda: datetime.now(UTC) > datetime.fromisoformat(sent.headers["expires"]), "its expiry")
        for task_id in busy:
            self.worker.let_go(task_id)

    def capture(self, wanted: Callable[[Seen], bool] = lambda _: True) -> None:
        """Wait until the ledger has the failures that are to be captured now; note each as it is."""
        due = [seen for seen in self.seen.values() if seen.case.way and wanted(seen)]
        self._until(lambda: all(list(map(self._look, due))), "captures")

    def _look(self, seen: Seen) -> bool:
        found = self.orchestra.failure(seen.sent.failure_id)
        pending = seen.case.end is not End.REDELIVERED or (found and found.state is FailureState.REDELIVERY_PENDING)
        if found and found.failure.captured is seen.case.way and pending:
            seen.first = found
        return seen.first is not None

    def recover(self, name: str) -> None:
        """Let the redelivered run of a pending failure end; before that, a person's redrive must be refused."""
        seen = self.seen.get(name)
        if seen is None:
            return
        seen.refusal = self.orchestra.retry(seen.sent.failure_id) if seen.first else ""
        self.worker.let_go(seen.sent.id)
        self._until(lambda: self._state_of(seen) is FailureState.RECOVERED, f"the redelivered run of {name}")

    def finish(self, name: str) -> None:
        """Let a task come to its end, and see it there."""
        if name in self.seen:
            task_id = self.seen[name].sent.id
            self.worker.let_go(task_id)
            wait_for(lambda: self.worker.is_done(task_id), f"the end of {name}")

    def _state_of(self, seen: Seen) -> FailureState | None:
        found = self.orchestra.failure(seen.sent.failure_id)
        return found.state if found else None

    def _until(self, look: Callable[[], bool], what: str) -> None:
        def turned() -> bool:
            self.orchestra.turn()
            return look()

        with suppress(AssertionError):  # what is missing is the test's to say
            wait_for(turned, what, CAPTURE_PATIENCE)

    def _second_life(self) -> None:
        self.capture()
        if self.group is Group.KILLED:
            # The dead life's journal has been read by now: the failures of its siblings come from there.
            self.finish("killed_child_finishes")
            self._until(lambda: len(self._journals()) == 1, "the end of the dead life's journal")
            for name in [seen.case.name for seen in self.seen.values() if seen.case.end is End.REDELIVERED]:
                self.recover(name)
        redriven = [each for each in self.seen.values() if each.first and each.case.end is not End.REDELIVERED]
        for seen in redriven:
            seen.refusal = self.orchestra.retry(seen.sent.failure_id)
        self._until(lambda: all(self._attempt_ended(seen) for seen in redriven), "the redrives")

    def _journals(self) -> list[Path]:
        return list(self.worker.folder.glob("spool/journal/*/*/owner"))

    def _attempt_ended(self, seen: Seen) -> bool:
        if seen.refusal:
            return True
        attempts = self.orchestra.attempts(seen.sent.failure_id)
        return bool(attempts) and all(each.state not in IN_FLIGHT for each in attempts)

    def _collect(self) -> None:
        self.orchestra.turn()
        everything = self.orchestra.all_failures
        failed = [event for event in self.orchestra.events if event.type == wire.TASK_FAILED]
        for seen in self.seen.values():
            known = {str(seen.sent.failure_id), seen.sent.id}
            seen.failures = [each for each in everything if known & {str(each.failure.id), each.failure.task_id}]
            seen.events = [each for each in failed if known & {each.data["failure_id"], each.data["task_id"]}]
            seen.attempts = self.orchestra.attempts(seen.sent.failure_id)
            seen.runs = self.worker.runs_of(seen.sent.id)
        theirs = {each.failure.id for seen in self.seen.values() for each in seen.failures}
        for seen in self.seen.values():
            seen.strangers = [each for each in everything if each.failure.id not in theirs]


def _living(stage: Stage) -> None:
    stage.revoke("revoked")
    stage.expire("expired")
    for case in stage.cases:
        if case.name not in stage.seen:
            stage.send(case.name)
    stage.capture()
    stage.recover("reject_on_worker_lost")
    stage.worker.stop()
    stage.orchestra.turn()


def _memory(stage: Stage) -> None:
    for name in ("memory_sibling", "memory_sibling_finishes"):
        stage.send(name)
        wait_for(lambda name=name: stage.begun(name), "the runs beside it")
    stage.send("memory_error")
    wait_for(lambda: "Unrecoverable error: MemoryError" in stage.worker.log, "the end of the event loop")
    stage.capture(lambda seen: seen.case.name == "memory_error")
    # Celery lets what runs come to its end, and then leaves; the kernel, short of memory, may not wait.
    stage.finish("memory_sibling_finishes")
    stage.worker.kill_process_of(stage.seen["memory_sibling"].sent.id)
    assert stage.worker.wait() != 0


def _killed(stage: Stage) -> None:
    names = [case.name for case in stage.cases]
    for name in names:
        stage.send(name)
    wait_for(lambda: all(stage.begun(name) for name in names), "the runs")
    stage.worker.signal(signal.SIGKILL)  # on Linux Celery has its children killed with it
    stage.worker.wait()


def _cold(stage: Stage) -> None:
    stage.send("cold_shutdown")
    wait_for(lambda: stage.begun("cold_shutdown"), "the run")
    stage.worker.signal(signal.SIGQUIT)
    stage.worker.wait()


FIRST_LIFE = {Group.LIVING: _living, Group.MEMORY: _memory, Group.KILLED: _killed, Group.COLD: _cold}
