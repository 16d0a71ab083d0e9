"""What the orchestrator tells about itself: log lines with stable names, and metrics for Prometheus.

A log line is `log.info("incident.opened", incident_id=..., size=...)`: the name is noun.verb_past, everything else a
field. docs/logs.md lists the names.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from typing import IO, TYPE_CHECKING, Any, Final

import orjson
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from orchestrator.domain.failures import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.metrics_core import Metric
    from structlog.typing import EventDict, Processor

    from orchestrator.domain.events import SinkCounts

EVENT_NAME: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
SECRET_FIELDS: Final = frozenset({"api_key", "api_token", "authorization", "password", "secret", "token", "write_key"})
METRICS_CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
MOST_ATTEMPTS_TOLD_APART: Final = 3
_CREDENTIALS: Final = re.compile(r"(\w+://[^\s:/@]*):[^\s/@]+@")


def set_up_logging(stream: IO[str] = sys.stderr, *, level: str = "INFO") -> None:
    """Send every log line, structlog's and the standard library's, to a stream: JSON, or for reading on a terminal."""
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
    return [strip, structlog.processors.format_exc_info, hide_secrets, renderer]


def _as_json(fields: EventDict, **_: Any) -> str:
    return orjson.dumps(fields, default=str).decode()


def hide_secrets(_logger: object, _method: str, fields: EventDict) -> EventDict:
    """Blank what must not be read in a log: fields that hold a secret, and passwords inside URLs."""
    return {
        name: "[hidden]" if name in SECRET_FIELDS else _without_credentials(value) for name, value in fields.items()
    }


def _without_credentials(value: Any) -> Any:  # noqa: ANN401 - a log field may be anything
    return _CREDENTIALS.sub(r"\1:[hidden]@", value) if isinstance(value, str) else value


class EventCounts(Collector):
    """Guarantee 2 as metrics: what became of each event, per sink, as last counted from the rows of the event log."""

    def __init__(self) -> None:
        self._latest: dict[str, SinkCounts] = {}

    def set(self, sink: str, counts: SinkCounts) -> None:
        """Keep the newest count of a sink."""
        self._latest[sink] = counts

    def collect(self) -> Iterator[Metric]:
        """Give the counts to a scrape; what is pending may fall, so it is a gauge of its own."""
        total = CounterMetricFamily(
            "redrive_events", "Events by sink and by what became of them.", None, ["sink", "state"]
        )
        pending = GaugeMetricFamily("redrive_events_pending", "Events that wait for a sink.", None, ["sink"])
        for sink, counts in sorted(self._latest.items()):
            for state in ("accepted", "filtered", "sampled_out", "routed", "delivered", "dead"):
                total.add_metric([sink, state], getattr(counts, state))
            pending.add_metric([sink], counts.pending)
        yield total
        yield pending


class Metrics:
    """The metrics of one orchestrator, in a registry of their own; no label holds an id."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events = EventCounts()
        self.registry.register(self.events)
        self.failures = self._counter("failures", "Failures taken in, by kind.", "kind")
        self.incidents = self._gauge("incidents", "Incidents, by state.", "state")
        self.attempts = self._counter("attempts", "Attempts that ended.", "plan", "outcome", "attempt")
        self.first_attempts = self._counter("first_attempts", "First attempts that ended, by outcome.", "outcome")
        self.llm_cost_usd = self._counter("llm_cost_usd", "Cost of model calls, in USD.", "model", "provider")
        self.pricing_missing = self._counter("pricing_missing", "Model calls for which no price is known.")
        self.intake_lag_seconds = self._gauge("intake_lag_seconds", "Age of the event taken in last, at its intake.")
        self.dispatch_oldest_seconds = self._gauge(
            "dispatch_oldest_seconds", "Age of the oldest trigger not dispatched."
        )
        self.breaker_state = self._gauge(
            "breaker_state", "1 for the state that a sink's breaker is in.", "sink", "state"
        )
        for kind in Kind:
            self.failures.labels(kind)

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"redrive_{name}", help_text, labels, registry=self.registry)

    def _gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(f"redrive_{name}", help_text, labels, registry=self.registry)

    def attempt_ended(self, plan: str, outcome: str, number: int) -> None:
        """Count an attempt that ended, the first one of a failure also on its own."""
        attempt = str(number) if number <= MOST_ATTEMPTS_TOLD_APART else f"{MOST_ATTEMPTS_TOLD_APART + 1}+"
        self.attempts.labels(plan, outcome, attempt).inc()
        if number == 1:
            self.first_attempts.labels(outcome).inc()

    def set_incidents(self, by_state: Mapping[str, int]) -> None:
        """Show how many incidents are in each state; a state that is not named has none."""
        self.incidents.clear()
        for state, count in by_state.items():
            self.incidents.labels(state).set(count)

    def set_breaker(self, sink: str, state: str, states: tuple[str, ...] = ("closed", "open", "half-open")) -> None:
        """Show the state of a sink's breaker: 1 for that one, 0 for the others."""
        for each in states:
            self.breaker_state.labels(sink, each).set(each == state)

    def exposition(self) -> bytes:
        """Render all metrics as Prometheus reads them; the content type is METRICS_CONTENT_TYPE."""
        return generate_latest(self.registry)
