"""Recovery on random walks: tasks fail, plans come and go, runs end or are lost, for tests."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

from orchestrator.domain.attempts import IN_FLIGHT, Attempt
from orchestrator.domain.commands import Mode
from orchestrator.domain.errors import Conflict, DependencyUnreachable, NotRedrivable
from orchestrator.domain.failures import OPEN_FAILURES, FailureState
from orchestrator.domain.plan import Gate, Pace, Plan, PlanName
from orchestrator.flows.bulk.asking import RetryRequest
from orchestrator.flows.bulk.commanding import command_retry
from orchestrator.flows.recovery import accept_plan
from orchestrator.flows.redelivery import give_up_pending
from tests.recovery import ended_event, failed_event, redelivered_event
from tests.scene import GRACE, TIMEOUT, Scene

if TYPE_CHECKING:
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.release import Release
    from orchestrator.domain.standing import StoredFailure
    from orchestrator.ledger.sql import SqlLedger


class Killed(BaseException):
    """The process dies while it publishes."""


class Walk:
    """Tasks fail, plans come and go, runs end or are lost, the process dies, the bus goes away."""

    def __init__(self, seed: int, ledger: SqlLedger | None = None) -> None:
        """Begin with nothing, in a ledger of its own or in this one."""
        self.dice = Random(seed)
        self.scene = Scene(ledger) if ledger else Scene()

    def step(self) -> None:
        """Do one thing."""
        things = {
            self.task_fails: 3,
            self.redelivery_ends: 1,
            self.redelivery_never_comes: 1,
            self.run_ends: 8,
            self.releaser_runs: 8,
            self.workflow_decides: 2,
            self.person_asks: 1,
            self.reconciler_runs: 1,
            self.outcome_is_lost: 1,
            self.process_dies: 1,
            self.bus_changes: 1,
            self.mode_changes: 1,
        }
        (thing,) = self.dice.choices(list(things), list(things.values()))
        thing()

    def task_fails(self) -> None:
        """A run of one of two tasks fails, or is heard of again."""
        declaration = {"dependency": "model", "idempotent": self.dice.random() < 0.8}
        task = self.dice.choice(["app.call", "app.other"])
        captured = self.dice.choice(["exception", "exception", "child_killed", "orphaned", "time_limit"])
        redelivery = captured == "child_killed" and self.dice.random() < 0.5
        told = {"task": task, "declaration": declaration, "captured": captured, "redelivery": redelivery}
        if self.dice.random() < 0.5:
            told["started_at"] = self.scene.now.isoformat()
        number = self.dice.randrange(8)
        if self.dice.random() < 0.1:
            told["message"] = failed_event(number).data["message"] | {"missing": True}
        self.scene.take_in(failed_event(number, **told))

    def redelivery_ends(self) -> None:
        """A run that the broker had delivered again ends well, whether anybody knew of it or not."""
        self.scene.take_in(redelivered_event(self.dice.randrange(8), ended_at=self.scene.now.isoformat()))

    def redelivery_never_comes(self) -> None:
        """What the broker has held for long is given up."""
        with self.scene.ledger.transaction() as tx:
            for stored in tx.pending(self.scene.now - timedelta(seconds=100), 10):
                give_up_pending(tx, stored, "no redelivery", self.scene.now)

    def run_ends(self) -> None:
        """A run that was published lately is heard of, perhaps once more, perhaps late."""
        for _, attempt, _ in self.scene.redriver.published[-3:]:
            outcome = self.dice.choice(["succeeded", "failed", "skipped", "", ""])
            with self.scene.ledger.reading() as tx:
                known = tx.attempt(attempt)
            if outcome == "failed" and known:
                number = int(known.task_id[1:])
                redelivery = self.dice.random() < 0.3
                self.scene.take_in(failed_event(number, attempt_id=attempt, redelivery=redelivery))
            if outcome:
                self.scene.take_in(ended_event(attempt, outcome, ended_at=self.scene.now.isoformat()))

    def releaser_runs(self) -> None:
        """The releaser runs once, some time later."""
        self.scene.later(self.dice.choice([0, 1, 100]))
        self.scene.release()

    def reconciler_runs(self) -> None:
        """The reconciler runs once, after the grace."""
        self.scene.later(GRACE + 1)
        self.scene.reconciler.run_once()

    def outcome_is_lost(self) -> None:
        """Nothing is heard for so long that what is in flight is given up."""
        self.scene.later(TIMEOUT + 1)
        self.scene.reconciler.run_once()

    def workflow_decides(self) -> None:
        """Every incident that is open gets a plan, decided on its revision."""
        name = self.dice.choice([PlanName.RETRY, PlanName.RETRY, PlanName.RETRY, PlanName.ESCALATE])
        gate = Gate(max_tries=self.dice.randint(1, 4))
        plan = Plan(name, "so", pace=Pace(2), gate=gate, execution_id=f"e-{self.dice.random()}")
        for incident in self.scene.incidents:
            with suppress(Conflict), self.scene.ledger.transaction() as tx:
                accept_plan(tx, incident.id, plan, incident.revision, self.scene.now)

    def person_asks(self) -> None:
        """Somebody asks for a task's newest failure."""
        with self.scene.ledger.transaction() as tx:
            stored = tx.failure_of_task(f"t{self.dice.randrange(8)}")
        if stored:
            self.ask(stored.failure.id)

    def process_dies(self) -> None:
        """The releaser is killed after it recorded and before it published."""
        before, self.scene.redriver.failing_with = self.scene.redriver.failing_with, Killed()
        with suppress(Killed):
            self.scene.releaser.run_once()
        self.scene.redriver.failing_with = before

    def bus_changes(self) -> None:
        """The bus is away, or back."""
        away = self.dice.random() < 0.3
        self.scene.redriver.failing_with = DependencyUnreachable("the broker", "so") if away else None

    def mode_changes(self) -> None:
        """Act, mostly; observe or stand still now and then."""
        self.scene.mode = self.dice.choice([Mode.ACT, Mode.ACT, Mode.ACT, Mode.OBSERVE, Mode.PAUSED])

    def ask(self, failure_id: UUID) -> None:
        """Ask for a failure, where that is possible."""
        command_id = UUID(int=self.dice.getrandbits(128), version=4)
        with suppress(Conflict, NotRedrivable), self.scene.ledger.transaction() as tx:
            command_retry(tx, RetryRequest("ann", "now", failure_id), command_id, self.scene.now)

    def failures(self, incident: Incident) -> list[tuple[StoredFailure, list[Attempt]]]:
        """Give an incident's failures with their attempts."""
        with self.scene.ledger.transaction() as tx:
            return [(each, tx.attempts_of(each.failure.id)) for each in tx.failures_of(incident.id, 100)]

    def releases(self, incident: Incident) -> list[Release]:
        """Give an incident's releases."""
        with self.scene.ledger.transaction() as tx:
            return tx.releases_of(incident.id)

    def find(self, stored: StoredFailure) -> None:
        """Bring what a failure lacks: the broker's redelivery, the message."""
        number = int(stored.failure.task_id[1:])
        if stored.state is FailureState.REDELIVERY_PENDING:
            self.scene.take_in(redelivered_event(number, ended_at=self.scene.now.isoformat()))
        if stored.failure.message.missing:
            self.scene.take_in(failed_event(number))

    def check(self) -> None:
        """See that everything holds that holds at any time."""
        for incident in self.scene.incidents:
            failures = self.failures(incident)
            check_failures(failures)
            check_incident(incident, [stored.state for stored, _ in failures])
            check_releases(self.releases(incident), [each for _, attempts in failures for each in attempts])
        with self.scene.ledger.transaction() as tx:
            first, states = tx.first_retry(), tx.failure_counts()
        assert first.first_successes + first.first_in_flight <= first.first_attempts
        assert sum(each.size for each in self.scene.incidents) == sum(states.values())

    def mend(self) -> None:
        """Let bus, worker and people do their part."""
        self.scene.mode, self.scene.redriver.failing_with = Mode.ACT, None
        for _ in range(60):
            for incident in self.scene.incidents:
                for stored, _attempts in self.failures(incident):
                    self.find(stored)
                    self.ask(stored.failure.id)
            self.outcome_is_lost()
            self.scene.later(400)
            self.scene.answer(self.scene.release())


def check_failures(failures: list[tuple[StoredFailure, list[Attempt]]]) -> None:
    """Released is what has an attempt in flight, held and dead what has none; attempts are numbered without a gap."""
    for stored, attempts in failures:
        flying = [each for each in attempts if each.state in IN_FLIGHT]
        assert len(flying) <= 1
        if stored.state not in (FailureState.RECOVERED, FailureState.REDELIVERY_PENDING):
            assert bool(flying) is (stored.state is FailureState.RELEASED)
        assert [each.number for each in attempts] == list(range(1, stored.attempts + 1))
        assert [each.number for each in attempts if each.turn == 1][stored.openings :] == []
        assert (stored.closed_at is None) is stored.open
        assert stored.awaited is (stored.pending_since is not None)
        assert (stored.reason is None) is (stored.state is not FailureState.DEAD)


def check_incident(incident: Incident, states: list[FailureState]) -> None:
    """An incident counts its failures, those that were opened again elsewhere too; closed when none is open or dead."""
    assert incident.size >= len(states)
    assert incident.closed is not bool((OPEN_FAILURES | {FailureState.DEAD}).intersection(states))


def check_releases(releases: list[Release], attempts: list[Attempt]) -> None:
    """Nothing is in flight for a release that has ended; an incident has one of its own at most."""
    out = {each.release_id for each in attempts if each.state in IN_FLIGHT}
    assert not out.intersection(each.id for each in releases if each.ended)
    assert len([each for each in releases if not each.ended and not each.command_id]) <= 1
