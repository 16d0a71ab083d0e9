"""The sinks that the settings name, and a relay for each of them and each lane."""

from __future__ import annotations

import os
import random
from importlib.metadata import version
from itertools import product
from typing import TYPE_CHECKING

from orchestrator.bootstrap.supervisor import Loop, Part
from orchestrator.breaker import Breaker
from orchestrator.domain.events import Lane
from orchestrator.flows.forwarding import Relay
from orchestrator.sinks.otlp import OtlpSink
from orchestrator.sinks.rudderstack import RudderStackSink
from orchestrator.sinks.warehouse import WarehouseSink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from orchestrator.bootstrap.leadership import Leadership
    from orchestrator.domain.ports import EventLog, Sink
    from orchestrator.observability import Metrics
    from orchestrator.settings import Settings


def make_sinks(settings: Settings) -> tuple[Sink, ...]:
    """Make the sinks: the warehouse always, RudderStack and a collector of traces where they are named."""
    sinks: list[Sink] = [WarehouseSink(settings.warehouse_url)]
    if settings.rudderstack_url and settings.rudderstack_write_key is not None:
        key = settings.rudderstack_write_key.get_secret_value()
        sinks.append(RudderStackSink(settings.rudderstack_url, key, settings.rudderstack_timeout))
    if settings.otlp_url:
        headers = settings.otlp_headers.get_secret_value() if settings.otlp_headers else ""
        sinks.append(OtlpSink(settings.otlp_url, _resource(settings), _pairs(headers), settings.otlp_timeout))
    return tuple(sinks)


def _resource(settings: Settings) -> dict[str, str]:
    """Say what spans are of, in OpenTelemetry's words (semantic conventions: service, deployment, vcs)."""
    known = {
        "service.name": "redrive",
        "service.version": version("redrive"),
        "service.instance.id": f"{os.uname().nodename}-{os.getpid()}",
        "deployment.environment.name": settings.environment,
        "vcs.ref.head.revision": settings.vcs_revision,
    }
    return {name: value for name, value in known.items() if value}


def _pairs(headers: str) -> dict[str, str]:
    """Read `name=value,name=value`, as OTEL_EXPORTER_OTLP_HEADERS has it."""
    parts = (each.partition("=") for each in headers.split(",") if each.strip())
    return {name.strip(): value.strip() for name, _, value in parts}


def relay_loops(
    log: EventLog,
    sinks: Sequence[Sink],
    lead: Callable[[str], Leadership],
    metrics: Metrics,
    clock: Callable[[], datetime],
) -> list[Part]:
    """Make a relay for each sink and lane, each with a breaker of its own, since each is one thread."""
    loops: list[Part] = []
    for sink, lane in product(sinks, Lane):
        name = f"relay-{sink.name}-{lane}"
        leadership, breaker = lead(name), Breaker(name, random.random)
        relay = Relay(log, sink, lane, breaker, leadership.epoch, random.random)
        loops.append(Loop(name, _step(relay, breaker, metrics, clock), leadership))
    return loops


def _step(relay: Relay, breaker: Breaker, metrics: Metrics, clock: Callable[[], datetime]) -> Callable[[], float]:
    def step() -> float:
        wait = relay.run_once(clock())
        metrics.set_breaker(f"{relay.sink.name}-{relay.lane}", breaker.current_state)
        return wait or 0.0

    return step
