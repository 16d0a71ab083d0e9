"""Relays as parts: one loop for each sink and lane, so that nothing that goes first waits behind what may wait."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import structlog

from orchestrator.bootstrap.supervisor import Finish, Loop, Part
from orchestrator.domain.events import Lane
from orchestrator.domain.subscribers import relay_part
from orchestrator.flows.forwarding import Relay

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from orchestrator.bootstrap.entries import SinkEntry
    from orchestrator.bootstrap.leadership import Leadership
    from orchestrator.breaker import KeptBreaker
    from orchestrator.domain.ports import EventLog
    from orchestrator.observability import Metrics


logger = structlog.get_logger("redrive.relays")


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: for how long relays that are told to stop go on, and how old a span gets before it is sampled out."""

    drain: float
    sampling_wait: float


@dataclass(frozen=True, slots=True)
class Relays:
    """Makes the relays of one orchestrator; `circuit` makes that of a sink and lane, `lead` the lead of a part."""

    log: EventLog
    circuit: Callable[[str, Lane], KeptBreaker]
    lead: Callable[[str], Leadership]
    metrics: Metrics
    clock: Callable[[], datetime]
    times: Times

    def loops(self, entries: Sequence[SinkEntry]) -> list[Part]:
        """Make a relay for each sink and lane, each with a breaker of its own, since each is one thread."""
        return [self._loop(entry, lane) for entry, lane in product(entries, Lane)]

    def _loop(self, entry: SinkEntry, lane: Lane) -> Loop:
        name = relay_part(entry.name, lane)
        leadership, breaker = self.lead(name), self.circuit(entry.name, lane)
        relay = Relay(
            self.log,
            entry.sink,
            entry.subscription,
            lane,
            breaker,
            leadership.epoch,
            random.random,
            entry.limits,
            self.times.sampling_wait,
        )
        watched = WatchedRelay(relay, breaker, self.metrics, self.clock)
        return Loop(name, watched.step, leadership, finish=Finish(watched.finish, self.times.drain))


@dataclass(slots=True)
class WatchedRelay:
    """A relay whose state shows in the metrics and the log."""

    relay: Relay
    breaker: KeptBreaker
    metrics: Metrics
    clock: Callable[[], datetime]
    parked: bool = False

    def step(self) -> float:
        """Move a batch; gives the seconds to wait."""
        return self._moved(hurry=False) or 0.0

    def finish(self) -> bool:
        """Move what waits, however little; False once nothing does, or nothing may go now."""
        return self._moved(hurry=True) is None

    def _moved(self, *, hurry: bool) -> float | None:
        wait = self.relay.run_once(self.clock(), hurry=hurry)
        name = f"{self.relay.sink.name}-{self.relay.lane}"
        self.metrics.set_breaker(name, self.breaker.current_state)
        self.metrics.sink_parked.labels(name).set(self.relay.parked)
        if self.relay.parked and not self.parked:
            logger.error("sink.parked", sink=self.relay.sink.name, lane=self.relay.lane, error=self.relay.last_error)
        elif self.parked and not self.relay.parked:
            logger.info("sink.unparked", sink=self.relay.sink.name, lane=self.relay.lane)
        self.parked = self.relay.parked
        return wait
