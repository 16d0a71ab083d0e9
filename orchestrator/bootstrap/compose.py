"""Putting the parts together: what the settings name becomes a service that can be run."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from orchestrator.api.app import create_app
from orchestrator.api.needs import Api
from orchestrator.bootstrap.leadership import FencedLedger, Leadership, process_name
from orchestrator.bootstrap.server import HttpServer
from orchestrator.bootstrap.sinks import make_sinks, relay_loops
from orchestrator.bootstrap.supervisor import Loop, Part, Service
from orchestrator.bus import connecting
from orchestrator.bus.consumer import BusConsumer
from orchestrator.bus.redriver import BusRedriver
from orchestrator.domain.errors import DependencyUnreachable, RedriveError
from orchestrator.eventlog.schema import STORE as EVENTLOG
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.flows.dispatch import Dispatcher
from orchestrator.flows.intake import Intake
from orchestrator.flows.outbox import OutboxCopier
from orchestrator.flows.reconcile import Reconciler
from orchestrator.flows.recording import Recorder
from orchestrator.flows.release import Releaser
from orchestrator.ledger.schema import STORE as LEDGER
from orchestrator.ledger.sql import SqlLedger
from orchestrator.observability import Metrics
from orchestrator.pricing import GenaiPricing
from orchestrator.stackstorm.client import StackStorm
from orchestrator.warehouse.queries import cost_by_model
from orchestrator.warehouse.schema import STORE as WAREHOUSE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Engine

    from orchestrator.domain.events import SinkCounts
    from orchestrator.domain.ports import Sink
    from orchestrator.settings import Settings

PARTS: Final = ("api", "intake", "recovery", "dispatch", "relay")
IDLE: Final = 0.1


class UnknownPart(RedriveError):
    """A part that no orchestrator has."""

    def __init__(self, name: str) -> None:
        super().__init__(f"expected parts out of {', '.join(PARTS)}, got {name!r}")


def clock() -> datetime:
    """Give the time, with its offset."""
    return datetime.now(UTC)


def migrate(settings: Settings) -> None:
    """Bring every database to its newest revision."""
    LEDGER.migrate(settings.ledger_url)
    EVENTLOG.migrate(settings.eventlog_url)
    WAREHOUSE.migrate(settings.warehouse_url)


@dataclass(slots=True)
class Composer:
    """Makes the parts of one orchestrator, each around the same stores."""

    settings: Settings
    owner: str = field(default_factory=process_name)
    metrics: Metrics = field(default_factory=Metrics)
    ledger: SqlLedger = field(init=False)
    log: SqlEventLog = field(init=False)
    sinks: tuple[Sink, ...] = field(init=False)
    warehouse: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = SqlLedger.open(self.settings.ledger_url)
        self.log = SqlEventLog(self.settings.eventlog_url)
        self.sinks = make_sinks(self.settings)
        self.warehouse = WAREHOUSE.open(self.settings.warehouse_url)

    def parts(self, names: Sequence[str] = PARTS) -> tuple[Part, ...]:
        """Make the parts of these names; raises UnknownPart."""
        return tuple(part for name in names for part in self._makers(name)())

    def _makers(self, name: str) -> Callable[[], Sequence[Part]]:
        makers: dict[str, Callable[[], Sequence[Part]]] = {
            "api": self._api,
            "intake": self._intake,
            "recovery": self._recovery,
            "dispatch": self._dispatch,
            "relay": self._relay,
        }
        if name not in makers:
            raise UnknownPart(name)
        return makers[name]

    def _api(self) -> Sequence[Part]:
        token = self.settings.api_token
        api = Api(
            ledger=self.ledger,
            warehouse=self.warehouse,
            clock=clock,
            new_id=uuid4,
            default_mode=self.settings.mode,
            token=token.get_secret_value() if token else None,
            sinks=self.counts,
            checks=self._checks(),
            sink_checks={"warehouse": partial(WAREHOUSE.ready, self.settings.warehouse_url)},
            metrics=self.exposition,
        )
        server = HttpServer(create_app(api), self.settings.api_host, self.settings.api_port)
        return [Service("api", server.run)]

    def _checks(self) -> dict[str, Callable[[], None]]:
        settings = self.settings
        return {
            "bus": partial(connecting.ready, settings.bus_url),
            "ledger": partial(LEDGER.ready, settings.ledger_url),
            "event log": partial(EVENTLOG.ready, settings.eventlog_url),
        }

    def counts(self) -> Mapping[str, SinkCounts]:
        """Count from rows what became of every event, per sink."""
        return {sink.name: self.log.counts(sink.name, sink.types) for sink in self.sinks}

    def exposition(self) -> bytes:
        """Render the metrics, counted afresh from the rows; what cannot be reached keeps its last count."""
        with suppress(DependencyUnreachable), self.ledger.transaction() as tx:
            self.metrics.recovery.set(tx.tallies(clock()))
        with suppress(DependencyUnreachable):
            for sink, counts in self.counts().items():
                self.metrics.events.set(sink, counts)
        with suppress(DependencyUnreachable):
            costs = cost_by_model(self.warehouse)
            self.metrics.costs.set((each.model, each.provider, float(each.usd_cost), each.unpriced) for each in costs)
        return self.metrics.exposition()

    def _intake(self) -> Sequence[Part]:
        recorder = Recorder(self.settings.idempotent_tasks)
        intake = Intake(self.log, self.ledger, GenaiPricing(), recorder, clock, random.random, self._note_lag)
        urgent = BusConsumer(self.settings.bus_url, ("failures", "outcomes"), intake.handle)
        telemetry = BusConsumer(self.settings.bus_url, ("telemetry",), intake.handle)
        return [Service("intake", urgent.run), Service("intake-telemetry", telemetry.run)]

    def _note_lag(self, seconds: float) -> None:
        self.metrics.intake_lag_seconds.set(seconds)

    def _recovery(self) -> Sequence[Part]:
        settings, redriver = self.settings, BusRedriver(self.settings.redrive_url)
        lead, fenced = self._lead("release")
        releaser = Releaser(fenced, redriver, clock, random.random, settings.mode)
        reconciler = Reconciler(
            fenced, redriver, clock, random.random, settings.mode, settings.outcome_grace, settings.outcome_timeout
        )
        copying, copied = self._lead("outbox")
        copier = OutboxCopier(copied, self.log)
        return [
            Loop("release", _until_idle(_in_turn(releaser.run_once, reconciler.run_once)), lead),
            Loop("outbox", _until_idle(copier.run_once), copying),
        ]

    def _dispatch(self) -> Sequence[Part]:
        settings = self.settings
        key = settings.stackstorm_api_key
        secret = key.get_secret_value() if key else None
        workflows = StackStorm(settings.stackstorm_url, secret, settings.stackstorm_timeout)
        lead, fenced = self._lead("dispatch")
        dispatcher = Dispatcher(fenced, workflows, clock, settings.rule_grace)
        return [Loop("dispatch", _every(IDLE, dispatcher.run_once), lead)]

    def _relay(self) -> Sequence[Part]:
        return relay_loops(self.log, self.sinks, lambda part: self._lead(part)[0], self.metrics, clock)

    def _lead(self, part: str) -> tuple[Leadership, FencedLedger]:
        leadership = Leadership(self.ledger, part, self.owner, self.settings.lease_seconds, clock)
        return leadership, FencedLedger(self.ledger, leadership)


def _until_idle(step: Callable[[], int]) -> Callable[[], float]:
    return lambda: 0.0 if step() else IDLE


def _in_turn(*steps: Callable[[], int]) -> Callable[[], int]:
    """Run steps one after the other: an attempt that is being published now must not look as if it were forgotten."""
    return lambda: sum(step() for step in steps)


def _every(seconds: float, step: Callable[[], int]) -> Callable[[], float]:
    def paced() -> float:
        step()
        return seconds

    return paced
