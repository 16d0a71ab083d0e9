"""The fault mix of `bench first-retry`, simulated: its plan's clock and dice, the orchestrator's own flows.

Intake, health, recoveries, releaser and ledger are the orchestrator's own, on a ledger in memory; calls and redrives
"run" by asking the sample provider's clockwork how the dependency is at that moment. Times are seconds of the world.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from eventbus import wire
from loadtests.apps.faulty_provider import Clockwork
from loadtests.first_retry.plan import Kind, Plan
from loadtests.first_retry.settings import NUMBERS, PROBE_SECONDS, TIMES
from orchestrator.bus.memory import MemoryRedriver
from orchestrator.domain.commands import Mode
from orchestrator.domain.dependencies import Health, Policies, Policy
from orchestrator.domain.events import NO_PRICE
from orchestrator.domain.moment import Moment
from orchestrator.domain.probes import ProbeResult
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.flows.health import note_probe
from orchestrator.flows.intake import Intake
from orchestrator.flows.recording import Recorder
from orchestrator.flows.release import Releaser
from orchestrator.ledger.sql import SqlLedger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.domain.events import Price

BEGIN: Final = datetime(2026, 1, 5, tzinfo=UTC)
STEP: Final = 60.0
BODY: Final = b'[[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'
WORKER: Final = "celery@calibration"
OK, MALFORMED, CONFLICT, LIMITED = 200, 400, 409, 429
RAISED: Final[Mapping[int, tuple[str, str]]] = {
    MALFORMED: ("requests.exceptions.HTTPError", "400 Client Error: Bad Request"),
    CONFLICT: ("psycopg.errors.DeadlockDetected", "deadlock detected"),
    LIMITED: ("requests.exceptions.HTTPError", "429 Client Error: Too Many Requests"),
    503: ("requests.exceptions.HTTPError", "503 Server Error: Service Unavailable"),
}
NO_PLAN: Final = Plan(0, 1.0, 0.0, 0.0, (), ())
LOST: Final = ("billiard.exceptions.WorkerLostError", "Worker exited prematurely: signal 9 (SIGKILL) Job: 1.")


class NoPricing:
    """Prices nothing."""

    def price(self, _data: Mapping[str, Any], _at: datetime) -> Price:
        """Give no price."""
        return NO_PRICE


@dataclass(slots=True)
class World:
    """One ledger over many days, each of which has a plan of its own; `now` goes on step by step."""

    dice: Random
    now: datetime = BEGIN
    ledger: SqlLedger = field(default_factory=SqlLedger.in_memory)
    redriver: MemoryRedriver = field(default_factory=MemoryRedriver)
    policies: Policies = field(default_factory=lambda: Policies(default=Policy(probed=True, **TIMES, **NUMBERS)))  # type: ignore[arg-type]  # numbers by their names
    day: int = 0
    _began: datetime = BEGIN
    _clockwork: Clockwork = field(default_factory=lambda: Clockwork(NO_PLAN, Random(0)))
    _probed: dict[str, datetime] = field(default_factory=dict)
    _served: Counter[str] = field(default_factory=Counter)
    _events: list[wire.Event] = field(default_factory=list)

    def clock(self) -> datetime:
        """Tell the time."""
        return self.now

    def begin(self, plan: Plan) -> None:
        """Let the next day begin, with a plan."""
        self.day, self._began = self.day + 1, self.now
        self._clockwork = Clockwork(plan, Random(plan.seed))

    @property
    def plan(self) -> Plan:
        """The plan of this day."""
        return self._clockwork.plan

    @property
    def at(self) -> float:
        """The moment of the plan, in its own seconds."""
        return (self.now - self._began).total_seconds() / self.plan.scale

    def step(self) -> None:
        """Let a step's time pass: what was published and what is called runs, is told, and what may go goes."""
        before, self.now = self.at, self.now + timedelta(seconds=STEP)
        for call in self.plan.calls:
            if before <= call.at < self.at:
                self._run(call.number, None)
        for message, attempt_id, _ in self._taken():
            self._run(int(str(message.headers["id"]).rpartition("-")[2]), attempt_id)
        self._probe()
        self._tell()
        self._releaser.run_once()

    def _taken(self) -> Sequence[tuple[Any, UUID, object]]:
        """Take the redrives of this day; what was left from the day before is answered by nobody any more."""
        taken = [each for each in self.redriver.published if str(each[0].headers["id"]).startswith(f"d{self.day}-")]
        self.redriver.published.clear()
        self.redriver.letters.clear()
        return taken

    @property
    def _releaser(self) -> Releaser:
        return Releaser(self.ledger, self.redriver, self.clock, self.dice.random, Mode.ACT, policies=self.policies)

    def _run(self, number: int, attempt_id: UUID | None) -> None:
        call = self.plan.calls[number]
        killed = call.kind is Kind.POISON or (call.kind is Kind.OOM and attempt_id is None)
        answer = None if killed else self._clockwork.call(number, self.at)
        if answer is not None and answer.status == OK:
            self._served[call.dependency] += attempt_id is None
        else:
            waits = answer.retry_after * self.plan.scale if answer and answer.retry_after is not None else None
            self._failed(number, attempt_id, None if answer is None else answer.status, waits)
        if attempt_id is not None:
            self._ended(number, attempt_id, well=answer is not None and answer.status == OK)

    def _failed(self, number: int, attempt_id: UUID | None, status: int | None, retry_after: float | None) -> None:
        dependency, task_id = self.plan.calls[number].dependency, self._task_id(number)
        kind, text = LOST if status is None else RAISED[status]
        told = status if status not in (None, CONFLICT) else None
        attempt = str(attempt_id) if attempt_id else None
        data = {
            "failure_id": str(wire.failure_id(task_id, 0, attempt)), "task_id": task_id, "task": f"calls.{dependency}",
            "retries": 0, "attempt_id": attempt, "captured": "child_killed" if status is None else "exception",
            "exception": {"type": kind, "message": text, "traceback": f"{kind}: {text}", "chain": [], "status": told,
                          "retry_after": retry_after},
            "declaration": {"dependency": dependency, "idempotent": True},
            "message": {"body": b64encode(BODY).decode(), "content_type": "application/json",
                        "content_encoding": "utf-8", "headers": {"task": f"calls.{dependency}", "id": task_id},
                        "properties": {}, "exchange": "", "routing_key": "celery", "queue": "celery"},
            "worker": WORKER, "occurred_at": self.now.isoformat(), "started_at": self.now.isoformat(),
        }  # fmt: skip
        self._say(wire.TASK_FAILED, data, f"failed/{task_id}/{attempt}")

    def _ended(self, number: int, attempt_id: UUID, *, well: bool) -> None:
        task_id, dependency = self._task_id(number), self.plan.calls[number].dependency
        data = {
            "attempt_id": str(attempt_id), "task_id": task_id, "task": f"calls.{dependency}",
            "outcome": "succeeded" if well else "failed", "ended_at": self.now.isoformat(), "runtime_seconds": 0.1,
            "worker": WORKER,
        }  # fmt: skip
        self._say(wire.ATTEMPT_ENDED, data, f"ended/{attempt_id}")

    def _task_id(self, number: int) -> str:
        return f"d{self.day}-{number}"

    def _say(self, kind: str, data: Mapping[str, Any], name: str) -> None:
        event_id = str(uuid5(NAMESPACE_URL, name))
        self._events.append(wire.Event(event_id, "urn:redrive:calibration", kind, self.now, data))

    def _probe(self) -> None:
        """Ask dependencies that are not well, as often as the benchmark's orchestrator does."""
        with self.ledger.reading() as tx:
            unwell = [each for each in tx.dependencies() if each.health is not Health.HEALTHY]
        due = [each for each in unwell if self._probed.get(each.name, BEGIN) <= self.now]
        if not due:
            return
        next_at = self.now + timedelta(seconds=PROBE_SECONDS)
        with self.ledger.transaction() as tx:
            for each in due:
                self._probed[each.name] = next_at
                passed = self._clockwork.look(each.name, self.at).status == OK
                result = ProbeResult(passed, "200" if passed else "503")
                note_probe(tx, each.name, result, next_at, Moment(self.now, self.dice.random(), self.policies))

    def _tell(self) -> None:
        """Hand what was seen in this step to the intake."""
        if self._served:
            counts = [{"task": f"calls.{name}", "dependency": name, "succeeded": number, "redriven": 0}
                      for name, number in self._served.items()]  # fmt: skip
            self._say(wire.TASK_OUTCOMES, {"window_seconds": STEP, "counts": counts, "worker": WORKER},
                      f"counts/{self.now.isoformat()}")  # fmt: skip
        if self._events:
            log, recorder = MemoryEventLog(), Recorder(policies=self.policies)
            intake = Intake(log, self.ledger, NoPricing(), recorder, self.clock, self.dice.random)
            intake.handle([wire.encode(self._events)])
        self._events.clear()
        self._served.clear()
