"""The sinks that the settings name, and a relay for each of them and each lane."""

from __future__ import annotations

import random
from itertools import product
from typing import TYPE_CHECKING

from orchestrator.bootstrap.supervisor import Loop, Part
from orchestrator.breaker import Breaker
from orchestrator.domain.events import Lane
from orchestrator.flows.forwarding import Relay
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
    """Make the sinks: the warehouse always, RudderStack where it is named."""
    warehouse: Sink = WarehouseSink(settings.warehouse_url)
    if not settings.rudderstack_url or settings.rudderstack_write_key is None:
        return (warehouse,)
    key = settings.rudderstack_write_key.get_secret_value()
    return (warehouse, RudderStackSink(settings.rudderstack_url, key, settings.rudderstack_timeout))


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
