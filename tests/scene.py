"""One orchestrator's recovery without its world: real flows on in-memory ports, and a clock that is moved by hand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from eventbus.wire import Event, encode
from orchestrator.bus.memory import MemoryRedriver
from orchestrator.domain.commands import Mode
from orchestrator.domain.dependencies import Policies, Policy
from orchestrator.domain.events import NO_PRICE, Price
from orchestrator.domain.moment import Moment
from orchestrator.domain.routes.table import RouteTable
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.flows.intake import Intake
from orchestrator.flows.outcomes import end_unexplained
from orchestrator.flows.reconcile import Reconciler
from orchestrator.flows.recording import Recorder
from orchestrator.flows.recovery import accept_plan
from orchestrator.flows.release import Releaser
from orchestrator.ledger.sql import SqlLedger
from tests.recovery import NOON, RETRY, ended_event

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.attempts import Attempt
    from orchestrator.domain.dispatches import Dispatch
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.plan import Plan
    from orchestrator.domain.release import Release
    from orchestrator.domain.standing import StoredFailure

GRACE = 30.0
TIMEOUT = 600.0


class NoPricing:
    """Prices nothing."""

    def price(self, _data: Mapping[str, Any], _at: datetime) -> Price:
        """Give no price."""
        return NO_PRICE


@dataclass
class Scene:
    """Intake, releaser and reconciler around one ledger. `now` stands still until `later` moves it."""

    ledger: SqlLedger = field(default_factory=SqlLedger.in_memory)
    log: MemoryEventLog = field(default_factory=MemoryEventLog)
    redriver: MemoryRedriver = field(default_factory=MemoryRedriver)
    recorder: Recorder = field(default_factory=Recorder)
    mode: Mode = Mode.ACT
    now: datetime = NOON
    # One whose windows open at once, unless a test is about how they do.
    policies: Policies = field(
        default_factory=lambda: Policies(default=Policy(first_window=10_000, max_in_flight=10_000, budget_burst=10_000))
    )

    routes: RouteTable = field(default_factory=RouteTable)

    def clock(self) -> datetime:
        """Tell the time."""
        return self.now

    def jitter(self) -> float:
        """Throw the dice, which always show the same: distances are as long as they get."""
        return 1.0

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    @property
    def intake(self) -> Intake:
        """The intake of this orchestrator."""
        recorder = replace(self.recorder, policies=self.policies)
        return Intake(self.log, self.ledger, NoPricing(), recorder, self.clock, self.jitter)

    @property
    def releaser(self) -> Releaser:
        """The releaser of this orchestrator."""
        told = (self.ledger, self.redriver, self.clock, self.jitter, self.mode)
        return Releaser(*told, policies=self.policies, routes=self.routes)

    @property
    def reconciler(self) -> Reconciler:
        """The reconciler of this orchestrator."""
        told = (self.ledger, self.redriver, self.clock, self.jitter, self.mode, GRACE, TIMEOUT)
        return Reconciler(*told, policies=self.policies)

    def take_in(self, *events: Event) -> None:
        """Hand events to the intake, as one message."""
        self.intake.handle([encode(events)])

    def plan(self, plan: Plan = RETRY, **changes: Any) -> Incident:
        """Give the newest incident a plan, decided on the revision that it has."""
        found = self.incident
        with self.ledger.transaction() as tx:
            return accept_plan(tx, found.id, replace(plan, **changes), found.revision, self.now)

    def release(self) -> list[UUID]:
        """Move every release one step; gives the attempts that were published by it."""
        before = len(self.redriver.published)
        self.releaser.run_once()
        return [attempt for _, attempt, _ in self.redriver.published[before:]]

    def answer(self, attempts: Sequence[UUID], outcome: str = "succeeded") -> None:
        """Let the runs of these attempts end; of a failed one no failure event comes, and the wait for it is over."""
        self.take_in(*(ended_event(each, outcome) for each in attempts))
        with self.ledger.transaction() as tx:
            end_unexplained(tx, self.now + timedelta(microseconds=1), 10_000, Moment(self.now, 1.0, self.policies))

    @property
    def incidents(self) -> list[Incident]:
        """All incidents, newest first."""
        with self.ledger.transaction() as tx:
            return tx.incidents([], 100, None)

    def all_incidents(self) -> list[Incident]:
        """All incidents, however many."""
        with self.ledger.reading() as tx:
            return tx.incidents([], 100_000, None)

    def events(self) -> list[Mapping[str, Any]]:
        """The events that were born in the ledger, oldest first."""
        with self.ledger.reading() as tx:
            return [event for _, event in tx.outbox(100_000)]

    @property
    def incident(self) -> Incident:
        """The newest incident."""
        return self.incidents[0]

    @property
    def releases(self) -> list[Release]:
        """The releases of the newest incident, oldest first."""
        found = self.incident.id
        with self.ledger.reading() as tx:
            return tx.releases_of(found)

    @property
    def failures(self) -> list[StoredFailure]:
        """The failures of the newest incident, oldest first."""
        found = self.incident.id
        with self.ledger.reading() as tx:
            return tx.failures_of(found, 10_000)

    @property
    def dispatches(self) -> list[Dispatch]:
        """The triggers of the newest incident, in the order in which they were queued."""
        found = self.incident.id
        with self.ledger.reading() as tx:
            return tx.dispatches_of(found)

    def triggers(self) -> list[str]:
        """Name the triggers of the newest incident."""
        return [each.trigger.removeprefix("redrive.") for each in self.dispatches]

    def attempt(self, attempt_id: UUID) -> Attempt:
        """Look an attempt up."""
        with self.ledger.transaction() as tx:
            found = tx.attempt(attempt_id)
            assert found is not None
            return found

    def outbox(self) -> list[str]:
        """Name the types of the events that were born in the ledger, oldest first."""
        with self.ledger.transaction() as tx:
            return [event["type"] for _, event in tx.outbox(10_000)]
