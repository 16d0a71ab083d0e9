"""Putting the parts together: what the settings name becomes a service that can be run."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from orchestrator.api.app import create_app
from orchestrator.api.needs import Api
from orchestrator.bootstrap import orphans
from orchestrator.bootstrap.alerts import alert_loops
from orchestrator.bootstrap.broker import WatchedRedriver
from orchestrator.bootstrap.circuits import CircuitMaker
from orchestrator.bootstrap.conservation import conservation_loop
from orchestrator.bootstrap.leadership import FencedLedger, Leadership, process_name
from orchestrator.bootstrap.parts import PARTS, UnknownPart
from orchestrator.bootstrap.probes import probes_loops
from orchestrator.bootstrap.relays import Relays, Times
from orchestrator.bootstrap.replaying import make_desk, replay_loops
from orchestrator.bootstrap.retention import retention_loop
from orchestrator.bootstrap.rollups import rollups_loop
from orchestrator.bootstrap.server import HttpServer
from orchestrator.bootstrap.sinks import make_sinks, warehouses
from orchestrator.bootstrap.supervisor import Loop, Part, Service
from orchestrator.bootstrap.upkeep import room_of, upkeep_loop
from orchestrator.bootstrap.waking import Courtesy, WakingLedger, waking
from orchestrator.bus import connecting
from orchestrator.bus.consumer import BusConsumer
from orchestrator.bus.journals import Journals
from orchestrator.bus.opening import Opener
from orchestrator.bus.redriver import BusRedriver
from orchestrator.dependency_settings.tables import patterns_of, policies_of
from orchestrator.domain.errors import DependencyUnreachable, SettingsInvalid
from orchestrator.eventlog.circuits import SqlCircuits
from orchestrator.eventlog.schema import STORE as EVENTLOG
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.flows.accepting import Accepting
from orchestrator.flows.approving import InquiryAnswerer, Lapser
from orchestrator.flows.dispatch import Dispatcher
from orchestrator.flows.intake import Intake
from orchestrator.flows.outbox import OutboxCopier
from orchestrator.flows.reconcile import Reconciler
from orchestrator.flows.recording import Recorder
from orchestrator.flows.release import Releaser
from orchestrator.flows.standing_in import LOOK, RuleWatcher
from orchestrator.flows.workers import count_spooled, count_workers, note_reading
from orchestrator.ledger.schema import STORE as LEDGER
from orchestrator.ledger.sql import SqlLedger
from orchestrator.observability import Metrics
from orchestrator.pricing import Prices, read_prices
from orchestrator.stackstorm.client import StackStorm
from orchestrator.stackstorm.credentials import ApiKey, Login
from orchestrator.warehouse.queries import cost_by_model, cost_of_tasks
from orchestrator.warehouse.schema import STORE as WAREHOUSE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from decimal import Decimal

    from sqlalchemy import Engine

    from orchestrator.bootstrap.entries import SinkEntry
    from orchestrator.domain.dependencies import Policies
    from orchestrator.domain.ledger import Ledger
    from orchestrator.flows.desk import Desk
    from orchestrator.settings import Settings
    from orchestrator.stackstorm.credentials import Credentials

IDLE: Final = 0.1
BETWEEN_JOURNALS: Final = 1.0
BETWEEN_LAPSES: Final = 1.0


def clock() -> datetime:
    """Give the time, with its offset."""
    return datetime.now(UTC)


def migrate(settings: Settings) -> None:
    """Bring every database to its newest revision."""
    LEDGER.migrate(settings.ledger_url)
    EVENTLOG.migrate(settings.eventlog_url)
    for url in warehouses(settings):
        WAREHOUSE.migrate(url)


@dataclass(slots=True)
class Composer:
    """Makes the parts of one orchestrator, each around the same stores."""

    settings: Settings
    owner: str = field(default_factory=process_name)
    metrics: Metrics = field(default_factory=Metrics)
    ledger: SqlLedger = field(init=False)
    log: SqlEventLog = field(init=False)
    circuits: SqlCircuits = field(init=False)
    sinks: tuple[SinkEntry, ...] = field(init=False)
    warehouse: Engine = field(init=False)
    desk: Desk = field(init=False)
    opener: Opener = field(init=False)
    policies: Policies = field(init=False)
    prices: Prices = field(init=False)
    # Set by whatever commits work for the part: it need not wait for the part's next look.
    dispatching: Event = field(default_factory=Event)
    releasing: Event = field(default_factory=Event)
    alerting: Event = field(default_factory=Event)
    courtesy: Courtesy = field(default_factory=Courtesy)

    def __post_init__(self) -> None:
        self.opener = _opener(self.settings)
        self.policies = policies_of(self.settings.dependencies)
        self.prices = read_prices(self.settings.own_prices)
        self.ledger = SqlLedger.open(self.settings.ledger_url)
        self.log = SqlEventLog(self.settings.eventlog_url, room=room_of(self.settings))
        self.circuits = SqlCircuits(self.settings.eventlog_url)
        self.sinks = make_sinks(self.settings)
        # Known before its relay first leads, or what waits for it might be dropped; what it takes, the leader says.
        for sink in self.sinks:
            self.log.subscribe(sink.name, sink.subscription)
        self.warehouse = WAREHOUSE.open(self.settings.warehouse_url)
        self.desk = make_desk(self.settings.eventlog_url, self.log, self.circuits, self.sinks)

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
        api = Api(
            ledger=WakingLedger(self.ledger, self._wakes()),
            warehouse=self.warehouse,
            clock=clock,
            new_id=uuid4,
            default_mode=self.settings.mode,
            desk=self.desk,
            checks=self._checks(),
            sink_checks={"warehouse": partial(WAREHOUSE.ready, self.settings.warehouse_url)} | self._degrading(),
            metrics=self.exposition,
            taking_in=Accepting(self._taking_in(WakingLedger(self.ledger, self._wakes()), lambda _lag: None)),
            tokens=self.settings.tokens_by_name,
            worker_slack=self.settings.worker_slack,
            keys_known=self.opener.keys_known,
            policies=self.policies,
            routes=self.settings.routes,
            write_keys=self.settings.sources_by_key,
            watch=self.settings.alerts.watch(),
            alert_targets=frozenset(self.settings.alerts.targets),
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

    def _degrading(self) -> dict[str, Callable[[], None]]:
        """Name what may be away without making this orchestrator unready."""
        settings, results = self.settings, orphans.results_of(self.settings)
        checks: dict[str, Callable[[], None]] = {}
        if not results.blind:
            checks["result backend"] = partial(orphans.backend_ready, results)
        if settings.redrive_url != settings.bus_url:
            checks["Celery broker"] = partial(connecting.ready, settings.redrive_url, "the Celery broker")
        return checks

    def exposition(self) -> bytes:
        """Render the metrics, counted afresh from the rows; what cannot be reached keeps its last count."""
        with suppress(DependencyUnreachable), self.ledger.reading() as tx:
            self.metrics.recovery.set(tx.tallies(clock()))
            self.metrics.alerts.set(tx.alert_tallies())
            slack = self.settings.worker_slack
            self.metrics.workers.set(count_workers(tx, clock(), slack), count_spooled(tx, clock(), slack))
        with suppress(DependencyUnreachable):
            now = clock()
            accounts = self.desk.accounts(now)
            self.metrics.events.keep([account.sink for account in accounts])
            for account in accounts:
                self.metrics.events.set(account.sink, account.counts, account.oldest_seconds(now))
            for sink in self.desk.holders:
                last = self.desk.reconciliations.last_done(sink)
                self.metrics.gaps.labels(sink).set(last.missing if last else 0)
        with suppress(DependencyUnreachable):
            costs = cost_by_model(self.warehouse)
            self.metrics.costs.set((each.model, each.provider, float(each.usd_cost), each.unpriced) for each in costs)
        return self.metrics.exposition()

    def _intake(self) -> Sequence[Part]:
        intake = self._taking_in(self.ledger, self._note_lag)
        handle = waking(intake.handle, self._wakes(), self.courtesy)
        urgent = BusConsumer(self.settings.bus_url, ("failures", "outcomes"), handle, self._note_reading)
        telemetry = BusConsumer(self.settings.bus_url, ("telemetry",), intake.handle)
        results = orphans.results_of(self.settings)
        journals = Journals(self.settings.journal_dir, self.settings.bus_url, handle, clock, results)
        return [
            Service("intake", urgent.run),
            Service("intake-telemetry", telemetry.run),
            Loop("journals", _every(BETWEEN_JOURNALS, journals.run_once)),
        ]

    def _taking_in(self, ledger: Ledger, note_lag: Callable[[float], None]) -> Intake:
        settings = self.settings
        recorder = Recorder(
            settings.idempotent_tasks,
            self.opener.keys_known,
            dependency_patterns=patterns_of(settings.dependencies),
            own_rules=settings.own_rules,
            policies=self.policies,
            task_failed_per_minute=settings.task_failed_per_minute,
        )
        return Intake(self.log, ledger, self.prices, recorder, clock, random.random, note_lag)

    def _note_reading(self) -> None:
        with self.ledger.transaction() as tx:
            note_reading(tx, clock())

    def _note_lag(self, seconds: float) -> None:
        self.metrics.intake_lag_seconds.set(seconds)

    def _recovery(self) -> Sequence[Part]:
        settings, redriver = self.settings, WatchedRedriver(BusRedriver(self.settings.redrive_url, self.opener))
        lead, fenced = self._lead("release")
        releaser = Releaser(
            fenced,
            redriver,
            clock,
            random.random,
            settings.mode,
            self.opener.keys_known,
            policies=self.policies,
            routes=settings.routes,
        )
        reconciler = Reconciler(
            fenced,
            redriver,
            clock,
            random.random,
            settings.mode,
            settings.outcome_grace,
            settings.outcome_timeout,
            policies=self.policies,
        )
        copying, copied = self._lead("outbox")
        copier = OutboxCopier(copied, self.log)
        keeping, kept = self._lead("retention")
        looking, looked = self._lead("orphans")
        asking, asked = self._lead("probes")
        take_in = self._taking_in(looked, lambda _lag: None).handle
        return [
            Loop("release", _until_idle(_in_turn(releaser.run_once, reconciler.run_once)), lead, self.releasing),
            Loop("outbox", _until_idle(_in_turn(self.courtesy.give, copier.run_once)), copying),
            orphans.orphans_loop(settings, looked, looking, take_in, clock),
            self._approvals(),
            retention_loop(settings, kept, keeping, clock, self.opener),
            upkeep_loop(settings, self.log, self._lead("eventlog")[0]),
            *self._alerts(),
            *probes_loops(settings, WakingLedger(asked, (self.releasing,)), asking, self.policies, clock),
        ]

    def _alerts(self) -> list[Loop]:
        lead, fenced = self._lead("alerts")
        return alert_loops(self.settings.alerts.watch(), fenced, lead, clock, self._cost, self.alerting)

    def _cost(self, task_ids: Sequence[str], since: datetime) -> Decimal | None:
        with suppress(DependencyUnreachable):
            return cost_of_tasks(self.warehouse, task_ids, since)
        return None

    def _approvals(self) -> Part:
        lead, fenced = self._lead("approvals")
        lapser = Lapser(WakingLedger(fenced, (self.releasing,)), clock, self.opener.keys_known)
        return Loop("approvals", _every(BETWEEN_LAPSES, lapser.run_once), lead)

    def _dispatch(self) -> Sequence[Part]:
        settings = self.settings
        sending, sender = self._dispatcher("dispatch")
        hearing, hearer = self._dispatcher("answers")
        watching, watched = self._lead("rules")
        answering, answered = self._lead("inquiries")
        answerer = InquiryAnswerer(answered, _stackstorm(settings), clock)
        builtin_after = settings.builtin_after if settings.builtin_plan else None
        watcher = RuleWatcher(WakingLedger(watched, self._wakes()), _stackstorm(settings), clock, builtin_after)
        every = LOOK if builtin_after is None else min(LOOK, max(1.0, builtin_after / 4))
        return [
            # Apart: a trigger that is to be sent waits for no question about those that were.
            Loop("dispatch", _every(IDLE, sender.send_due), sending, self.dispatching),
            Loop("answers", _every(IDLE, hearer.hear_of_sent), hearing),
            Loop("rules", _every(every, watcher.run_once), watching),
            Loop("inquiries", _every(IDLE, answerer.run_once), answering),
        ]

    def _dispatcher(self, part: str) -> tuple[Leadership, Dispatcher]:
        settings = self.settings
        lead, fenced = self._lead(part)
        workflows = _stackstorm(settings)
        return lead, Dispatcher(
            fenced,
            workflows,
            clock,
            settings.rule_grace,
            settings.dispatches_per_minute,
            sending=self.courtesy.begin,
            asking=self.courtesy.give,
        )

    def _relay(self) -> Sequence[Part]:
        times = Times(self.settings.drain_seconds, self.settings.sampling_wait)
        circuits = CircuitMaker(self.log, self.circuits, clock)
        relays = Relays(self.log, circuits.make, lambda part: self._lead(part)[0], self.metrics, clock, times)
        return [
            *relays.loops(self.sinks),
            *replay_loops(self.desk, self.sinks, relays.lead, clock),
            self._conservation(),
            rollups_loop(warehouses(self.settings), self._lead("rollups")[0]),
        ]

    def _conservation(self) -> Part:
        lead, fenced = self._lead("conservation")
        return conservation_loop(self.settings, self.desk, fenced, lead, clock)

    def _wakes(self) -> tuple[Event, ...]:
        """Name who may have work once a failure, an outcome, a plan or a command is in the ledger."""
        return (self.dispatching, self.releasing, self.alerting)

    def _lead(self, part: str) -> tuple[Leadership, FencedLedger]:
        leadership = Leadership(self.ledger, part, self.owner, self.settings.lease_seconds, clock)
        return leadership, FencedLedger(self.ledger, leadership)


def _stackstorm(settings: Settings) -> StackStorm:
    key, password = settings.stackstorm_api_key, settings.stackstorm_password
    credentials: Credentials = ApiKey(key.get_secret_value() if key else None)
    if settings.stackstorm_auth_url and settings.stackstorm_user and password:
        credentials = Login(settings.stackstorm_auth_url, settings.stackstorm_user, password.get_secret_value())
    ca_file = str(settings.stackstorm_cacert) if settings.stackstorm_cacert else None
    return StackStorm(settings.stackstorm_url, credentials, settings.stackstorm_timeout, ca_file=ca_file)


def _opener(settings: Settings) -> Opener:
    keys = settings.message_keys
    try:
        return Opener.of(keys.get_secret_value() if keys else None, settings.claim_url)
    except ValueError as error:
        raise SettingsInvalid(str(error)) from None


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
