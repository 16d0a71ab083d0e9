"""What the orchestrator tells about itself: log lines with stable names, and metrics for Prometheus.

A log line is `log.info("incident.opened", incident_id=..., size=...)`: the name is noun.verb_past, everything else a
field. docs/logs.md lists the names.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections import Counter
from typing import IO, TYPE_CHECKING, Any, Final

import orjson
import structlog
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from eventbus import scrub
from orchestrator.domain.alerting import AlertTallies
from orchestrator.domain.alerts import AlertState
from orchestrator.domain.attempts import IN_FLIGHT
from orchestrator.domain.dependencies import Health
from orchestrator.domain.failures import Kind
from orchestrator.domain.incidents import IncidentState
from orchestrator.domain.showing import safe
from orchestrator.domain.tallies import Tallies

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric
    from structlog.typing import EventDict, Processor

    from orchestrator.domain.events import SinkCounts

EVENT_NAME: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
SECRET_FIELDS: Final = frozenset({"api_key", "api_token", "authorization", "password", "secret", "token", "write_key"})
METRICS_CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
MOST_ATTEMPTS_TOLD_APART: Final = 3
# What JSON may hold as it is, and a terminal obeys: control characters beyond ASCII, turned text, line separators.
OBEYED: Final = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def set_up_logging(stream: IO[str] = sys.stderr, *, level: str = "INFO") -> None:
    """Send every log line, structlog's and the standard library's, to a stream: JSON, or for reading on a terminal."""
    scrub.KNOWN.learn_environment(os.environ)
    told_by_all: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
    ]
    structlog.configure(
        processors=[*told_by_all, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=told_by_all, processors=_rendering(stream))
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def _rendering(stream: IO[str]) -> list[Processor]:
    # Plain tracebacks: rich's would print local variables, and with them secrets.
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(
            colors=not os.environ.get("NO_COLOR"), exception_formatter=structlog.dev.plain_traceback
        )
        if stream.isatty()
        else structlog.processors.JSONRenderer(serializer=_as_json)
    )
    strip = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    # JSON escapes by itself what a terminal would obey.
    tame = [only_shown] if stream.isatty() else []
    return [strip, structlog.processors.format_exc_info, hide_secrets, *tame, renderer]


def _as_json(fields: EventDict, **_: Any) -> str:
    written = orjson.dumps(fields, default=str).decode()
    return written if written.isprintable() else OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", written)


def hide_secrets(_logger: object, _method: str, fields: EventDict) -> EventDict:
    """Blank what must not be read in a log: fields that hold a secret, and secrets that are known, anywhere."""
    return {name: "[hidden]" if name in SECRET_FIELDS else _hidden(value) for name, value in fields.items()}


def _hidden(value: Any) -> Any:  # noqa: ANN401 - a log field may be anything
    if isinstance(value, str):
        return scrub.text(value)
    if isinstance(value, dict):
        return {key: _hidden(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hidden(each) for each in value]
    return value if value is None or isinstance(value, (bool, int, float)) else scrub.text(str(value))


def only_shown(_logger: object, _method: str, fields: EventDict) -> EventDict:
    """Show as codes what would steer a terminal, or begin a line that looks like one of ours: tasks' names, reasons and
    messages are anybody's text. A traceback keeps its lines, each behind a bar.
    """
    shown = {safe(name): _shown(value) for name, value in fields.items() if name != "exception"}
    if fields.get("exception"):
        # Cut at line feeds alone: what else ends a line somewhere is shown as its code.
        shown["exception"] = "\n".join(f"  | {safe(line)}" for line in str(fields["exception"]).split("\n"))
    return shown


def _shown(value: Any) -> Any:  # noqa: ANN401 - a log field may be anything
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, dict):
        return {safe(key): _shown(each) for key, each in value.items()}
    return [_shown(each) for each in value] if isinstance(value, list) else value


class EventCounts(Collector):
    """Guarantee 2 as metrics: what became of each event, per sink, as last counted from the rows of the event log."""

    def __init__(self) -> None:
        self._latest: dict[str, tuple[SinkCounts, float]] = {}

    def set(self, sink: str, counts: SinkCounts, oldest_seconds: float = 0.0) -> None:
        """Keep the newest count of a sink, and the age of the oldest event that waits for it."""
        self._latest[sink] = (counts, oldest_seconds)

    def keep(self, sinks: Collection[str]) -> None:
        """Tell of no other sinks any more: one that was forgotten waits for nothing."""
        self._latest = {sink: counted for sink, counted in self._latest.items() if sink in sinks}

    def collect(self) -> Iterator[Metric]:
        """Give the counts to a scrape; what is pending may fall, so it is a gauge of its own."""
        total = CounterMetricFamily(
            "redrive_events", "Events by sink and by what became of them.", None, ["sink", "state"]
        )
        pending = GaugeMetricFamily("redrive_events_pending", "Events that wait for a sink.", None, ["sink"])
        # A gauge as well: what is sent again and delivered is a dead letter no longer.
        dead = GaugeMetricFamily("redrive_dead_letters", "Events that a sink refused for good.", None, ["sink"])
        oldest = GaugeMetricFamily(
            "redrive_sink_oldest_seconds", "Age of the oldest event that waits for a sink.", None, ["sink"]
        )
        off = GaugeMetricFamily(
            "redrive_events_unaccounted", "By how many events a sink's sum is off; 0 is right.", None, ["sink"]
        )
        for sink, (counts, seconds) in sorted(self._latest.items()):
            oldest.add_metric([sink], seconds)
            off.add_metric([sink], counts.unaccounted)
            dead.add_metric([sink], counts.dead)
            for state in ("accepted", "filtered", "sampled_out", "routed", "delivered"):
                total.add_metric([sink, state], getattr(counts, state))
            pending.add_metric([sink], counts.pending)
        yield from (total, pending, dead, oldest, off)


class RecoveryCounts(Collector):
    """Recovery as metrics, as last counted from the rows of the ledger: a restart forgets nothing."""

    def __init__(self) -> None:
        self._latest = Tallies({}, {}, {}, 0.0, {})

    def set(self, tallies: Tallies) -> None:
        """Keep the newest count."""
        self._latest = tallies

    def collect(self) -> Iterator[Metric]:
        """Give the counts to a scrape; attempts from the fourth on are told together."""
        latest = self._latest
        failures = CounterMetricFamily("redrive_failures", "Failures taken in, by kind.", None, ["kind"])
        for kind in Kind:
            failures.add_metric([kind], latest.failures.get(kind, 0))
        yield failures
        incidents = GaugeMetricFamily("redrive_incidents", "Incidents, by state.", None, ["state"])
        for state in IncidentState:
            incidents.add_metric([state], latest.incidents.get(state, 0))
        yield incidents
        yield from self._attempts(latest)
        yield from self._ages(latest)
        yield from self._tables(latest)
        yield self._dependencies(latest)

    @staticmethod
    def _attempts(latest: Tallies) -> Iterator[Metric]:
        every = CounterMetricFamily("redrive_attempts", "Attempts.", None, ["plan", "outcome", "attempt"])
        first = CounterMetricFamily("redrive_first_attempts", "First attempts, by outcome.", None, ["outcome"])
        told: Counter[tuple[str, str, str]] = Counter()
        outcomes: Counter[str] = Counter()
        for (plan, outcome, number), count in latest.attempts.items():
            if outcome in IN_FLIGHT:
                continue  # a counter never falls: only what has ended is counted
            told[plan, outcome, str(number) if number <= MOST_ATTEMPTS_TOLD_APART else "4+"] += count
            outcomes[outcome] += count if number == 1 else 0
        for labels, count in sorted(told.items()):
            every.add_metric(labels, count)
        for outcome, count in sorted(outcomes.items()):
            first.add_metric([outcome], count)
        yield every
        yield first

    @staticmethod
    def _ages(latest: Tallies) -> Iterator[Metric]:
        trigger = GaugeMetricFamily("redrive_dispatch_oldest_seconds", "Age of the oldest trigger not dispatched.")
        trigger.add_metric([], latest.dispatch_oldest_seconds)
        yield trigger
        held = GaugeMetricFamily("redrive_held_oldest_seconds", "Age of the oldest held failure.", None, ["dependency"])
        for dependency, seconds in sorted(latest.held_oldest_seconds.items()):
            held.add_metric([dependency], seconds)
        yield held
        pending = GaugeMetricFamily(
            "redrive_pending_oldest_seconds", "Age of the oldest wait for a redelivery.", None, ["dependency"]
        )
        for dependency, seconds in sorted(latest.pending_oldest_seconds.items()):
            pending.add_metric([dependency], seconds)
        yield pending

    @staticmethod
    def _dependencies(latest: Tallies) -> Metric:
        family = GaugeMetricFamily(
            "redrive_dependency_health", "1 for the health that a dependency has.", None, ["dependency", "health"]
        )
        for name, health in sorted(latest.dependencies.items()):
            for each in Health:
                family.add_metric([name, each], float(each == health))
        return family

    @staticmethod
    def _tables(latest: Tallies) -> Iterator[Metric]:
        rows = GaugeMetricFamily("redrive_ledger_rows", "Rows of the ledger's tables.", None, ["table"])
        held = GaugeMetricFamily("redrive_ledger_bytes", "Bytes of the ledger's tables.", None, ["table"])
        for table, size in sorted(latest.tables.items()):
            rows.add_metric([table], size.rows)
            held.add_metric([table], size.bytes)
        yield rows
        yield held


class WorkerCounts(Collector):
    """Workers as last counted from the rows of the ledger, by what became of them."""

    def __init__(self) -> None:
        self._latest: Mapping[str, int] = {}
        self._spooled = 0

    def set(self, counts: Mapping[str, int], spooled: int) -> None:
        """Keep the newest count, by state, and the bytes that wait on their disks."""
        self._latest, self._spooled = counts, spooled

    def collect(self) -> Iterator[Metric]:
        """Give the counts to a scrape."""
        workers = GaugeMetricFamily("redrive_workers", "Boots of workers that are known, by state.", None, ["state"])
        for state, count in sorted(self._latest.items()):
            workers.add_metric([state], count)
        yield workers
        yield GaugeMetricFamily("redrive_spool_bytes", "Bytes that wait on workers' disks for the bus.", self._spooled)


class AlertCounts(Collector):
    """Alerts as metrics, as last counted from the rows of the ledger: a restart forgets nothing."""

    def __init__(self) -> None:
        self._latest = AlertTallies()

    def set(self, tallies: AlertTallies) -> None:
        """Keep the newest count."""
        self._latest = tallies

    def collect(self) -> Iterator[Metric]:
        """Give the counts to a scrape."""
        states = GaugeMetricFamily("redrive_alerts", "Alerts, by state.", None, ["state"])
        for state in AlertState:
            states.add_metric([state], self._latest.states.get(state, 0))
        yield states
        pages = CounterMetricFamily("redrive_alert_pages", "Levels of ladders that were told.", None, ["level"])
        for level, count in sorted(self._latest.pages.items()):
            pages.add_metric([level], count)
        yield pages
        for what, took in (("acknowledge", self._latest.acknowledged), ("resolve", self._latest.resolved)):
            name, text = f"redrive_time_to_{what}_seconds", f"From the first incident's opening to {what}, by alert."
            yield SummaryMetricFamily(name, text, took.count, took.seconds)


class CallCosts(Collector):
    """What model calls cost, as last added up in the warehouse; calls without a price are counted, never priced 0."""

    def __init__(self) -> None:
        self._latest: tuple[tuple[str, str, float, int], ...] = ()

    def set(self, costs: Iterable[tuple[str, str, float, int]]) -> None:
        """Keep the newest sums: model, provider, USD, calls without a price."""
        self._latest = tuple(costs)

    def collect(self) -> Iterator[Metric]:
        """Give the sums to a scrape."""
        usd = CounterMetricFamily("redrive_llm_cost_usd", "Cost of model calls, in USD.", None, ["model", "provider"])
        missing = CounterMetricFamily("redrive_pricing_missing", "Model calls for which no price is known.")
        for model, provider, amount, _ in self._latest:
            usd.add_metric([model, provider], amount)
        missing.add_metric([], sum(unpriced for *_, unpriced in self._latest))
        yield usd
        yield missing


class Metrics:
    """The metrics of one orchestrator, in a registry of their own; no label holds an id."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events = EventCounts()
        self.recovery = RecoveryCounts()
        self.costs = CallCosts()
        self.workers = WorkerCounts()
        self.alerts = AlertCounts()
        for collector in (self.events, self.recovery, self.costs, self.workers, self.alerts):
            self.registry.register(collector)
        self.intake_lag_seconds = self._gauge("intake_lag_seconds", "Age of the event taken in last, at its intake.")
        self.breaker_state = self._gauge(
            "breaker_state", "1 for the state that a relay's breaker is in.", "sink", "state"
        )
        self.gaps = self._gauge(
            "events_missing", "Delivered events that the last reconciliation did not find in a sink's store.", "sink"
        )
        self.sink_parked = self._gauge(
            "sink_parked", "1 while a sink does not know our key or address, and a person has to mend that.", "sink"
        )

    def _gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(f"redrive_{name}", help_text, labels, registry=self.registry)

    def set_breaker(self, sink: str, state: str, states: tuple[str, ...] = ("closed", "open", "half-open")) -> None:
        """Show the state of a breaker: 1 for that one, 0 for the others."""
        for each in states:
            self.breaker_state.labels(sink, each).set(each == state)

    def exposition(self) -> bytes:
        """Render all metrics as Prometheus reads them; the content type is METRICS_CONTENT_TYPE."""
        return generate_latest(self.registry)
