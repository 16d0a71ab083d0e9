"""The operator's desk, and the loops that send again what was asked for there."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from orchestrator.bootstrap.supervisor import Loop
from orchestrator.breaker import Breaker
from orchestrator.domain.circuits import CircuitState, circuit_name
from orchestrator.domain.events import Lane
from orchestrator.domain.subscribers import replay_part
from orchestrator.eventlog.reconciliations import SqlReconciliations
from orchestrator.eventlog.replays import SqlReplays
from orchestrator.eventlog.subscribers import SqlSubscribers
from orchestrator.flows.desk import Desk
from orchestrator.flows.replaying import Replayer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from orchestrator.bootstrap.entries import SinkEntry
    from orchestrator.bootstrap.leadership import Leadership
    from orchestrator.domain.circuits import Standing
    from orchestrator.domain.events import Delivery
    from orchestrator.domain.ports import Circuits, EventLog

# Seconds after which a circuit that is not closed is looked at again.
LOOK: Final = 1.0


@dataclass(frozen=True, slots=True)
class SharedCircuit:
    """The circuit of what is sent again: it rests while a relay's circuit of the same sink is open.

    One that is to be tried again by now is not waited for: a lane without events tries nothing. Each call but
    `deliver` raises DependencyUnreachable when the log does not answer.
    """

    circuits: Circuits
    sink: str
    own: Breaker
    clock: Callable[[], datetime]

    def rest(self) -> float:
        """Give the seconds for which nothing is to be sent, 0.0 to go on."""
        standings = (self.circuits.load(circuit_name(self.sink, lane)) for lane in Lane)
        now = self.clock()
        return LOOK if any(each is not None and _rests(each, now) for each in standings) else self.own.rest()

    def allowance(self) -> float:
        """Give the share of the usual number of events that the next batch may hold."""
        return self.own.allowance()

    def deliver(self, send: Callable[[], Delivery]) -> Delivery:
        """Make the delivery, or give Deferred at once while its own circuit is open."""
        return self.own.deliver(send)


def _rests(standing: Standing, now: datetime) -> bool:
    """Tell whether nothing may go; a circuit whose time is over is probed by whoever has something to send."""
    if standing.forced:
        return standing.forced.state is CircuitState.OPEN
    return standing.seconds_left(now) > 0


def make_desk(url: str, log: EventLog, circuits: Circuits, entries: Sequence[SinkEntry]) -> Desk:
    """Make the desk of an orchestrator whose event log is at `url`; only warehouses can be asked what they hold."""
    names = tuple(entry.name for entry in entries)
    holders = {entry.name: entry.held for entry in entries if entry.held}
    stores = (log, SqlReplays(url), circuits, SqlReconciliations(url), SqlSubscribers(url))
    return Desk(*stores, names, holders)


def replay_loops(
    desk: Desk, entries: Sequence[SinkEntry], lead: Callable[[str], Leadership], clock: Callable[[], datetime]
) -> list[Loop]:
    """Make a loop for each sink, so that one that is away keeps no other waiting."""
    return [_loop(desk, entry, lead(replay_part(entry.name)), clock) for entry in entries]


def _loop(desk: Desk, entry: SinkEntry, leadership: Leadership, clock: Callable[[], datetime]) -> Loop:
    name = replay_part(entry.name)
    circuit = SharedCircuit(desk.circuits, entry.name, Breaker(name, random.random), clock)
    replayer = Replayer(desk.replays, entry.sink, circuit, random.random, entry.limits)
    return Loop(name, lambda: replayer.run_once(clock()) or 0.0, leadership)
