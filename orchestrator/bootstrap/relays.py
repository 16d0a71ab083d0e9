"""Relays as parts: one loop for each sink and lane, so that nothing that goes first waits behind what may wait."""

from __future__ import annotations

import random
from itertools import product
from typing import TYPE_CHECKING

from orchestrator.bootstrap.supervisor import Loop, Part
from orchestrator.breaker import Breaker
from orchestrator.domain.events import Lane
from orchestrator.flows.forwarding import Relay

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from orchestrator.bootstrap.entries import SinkEntry
    from orchestrator.bootstrap.leadership import Leadership
    from orchestrator.domain.ports import EventLog
    from orchestrator.observability import Metrics


def relay_loops(
    log: EventLog,
    entries: Sequence[SinkEntry],
    lead: Callable[[str], Leadership],
    metrics: Metrics,
    clock: Callable[[], datetime],
) -> list[Part]:
    """Make a relay for each sink and lane, each with a breaker of its own, since each is one thread."""
    loops: list[Part] = []
    for entry, lane in product(entries, Lane):
        name = f"relay-{entry.name}-{lane}"
        leadership, breaker = lead(name), Breaker(name, random.random)
        relay = Relay(log, entry.sink, entry.subscription, lane, breaker, leadership.epoch, random.random, entry.limits)
        loops.append(Loop(name, _step(relay, breaker, metrics, clock), leadership))
    return loops


def _step(relay: Relay, breaker: Breaker, metrics: Metrics, clock: Callable[[], datetime]) -> Callable[[], float]:
    def step() -> float:
        wait = relay.run_once(clock())
        metrics.set_breaker(f"{relay.sink.name}-{relay.lane}", breaker.current_state)
        return wait or 0.0

    return step
