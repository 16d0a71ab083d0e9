"""What an operator sees of events: each sink's account, and what became of one event."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from orchestrator.domain.circuits import circuit_name
from orchestrator.domain.errors import Conflict, DependencyUnreachable, NotFound
from orchestrator.domain.events import Lane
from orchestrator.domain.replays import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from orchestrator.domain.circuits import Standing as CircuitStanding
    from orchestrator.domain.conservation import Reconciliations
    from orchestrator.domain.events import Answer, SinkCounts, StoredEvent
    from orchestrator.domain.ports import Circuits, EventLog
    from orchestrator.domain.replays import Item, Letter, Replay, Replays, Standing
    from orchestrator.domain.subscribers import Subscribers

RATE_OVER: Final = timedelta(minutes=5)


@dataclass(slots=True)
class Rates:
    """Events delivered in a second, by the counts that were made in the last RATE_OVER; a running number."""

    _seen: defaultdict[str, deque[tuple[datetime, int]]] = field(default_factory=lambda: defaultdict(deque))

    def note(self, sink: str, delivered: int, now: datetime) -> float | None:
        """Take a count; gives the rate since the oldest one in the window, None before there are two."""
        seen = self._seen[sink]
        while seen and (seen[0][0] < now - RATE_OVER or seen[0][0] > now):
            seen.popleft()
        seen.append((now, delivered))
        began, first = seen[0]
        seconds = (now - began).total_seconds()
        return max(0, delivered - first) / seconds if seconds > 0 else None


@dataclass(frozen=True, slots=True)
class Account:
    """How a sink stands: its counts, who waits longest, its circuits by lane, its rate and its last error.

    One that is not `configured` is known to the log alone: nothing goes there, and the log keeps what it has not got.
    """

    sink: str
    configured: bool
    counts: SinkCounts
    oldest_at: datetime | None
    circuits: Mapping[Lane, CircuitStanding | None]
    delivered_per_second: float | None
    last_error: Answer | None

    def oldest_seconds(self, now: datetime) -> float:
        """Tell the age of the oldest event that waits; 0 when none does, or it was accepted by a faster clock."""
        return 0.0 if self.oldest_at is None else max(0.0, (now - self.oldest_at).total_seconds())


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one event at one sink; `held`: whether the warehouse has its row, None where that is not known."""

    sink: str
    standing: Standing
    letter: Letter | None
    answers: Sequence[Answer]
    sent_again: Sequence[tuple[Item, Replay | None]]
    held: bool | None


@dataclass(frozen=True, slots=True)
class Desk:
    """The log and what stands beside it, for these sinks; `holders` tell which keys a sink's store has."""

    log: EventLog
    replays: Replays
    circuits: Circuits
    reconciliations: Reconciliations
    subscribers: Subscribers
    sinks: tuple[str, ...]
    holders: Mapping[str, Callable[[Iterable[UUID]], set[UUID]]] = field(default_factory=dict)
    rates: Rates = field(default_factory=Rates)

    def known(self, sink: str) -> str:
        """Give the name back; raises NotFound for a sink that the settings do not name."""
        if sink not in self.sinks:
            raise NotFound("sink", sink)
        return sink

    def subscribed(self, sink: str) -> str:
        """Give the name back; raises NotFound for a sink that neither the settings nor the log name."""
        return sink if sink in self.sinks or sink in self.subscribers.names() else self.known(sink)

    def accounts(self, now: datetime) -> list[Account]:
        """Give the account of every sink of the settings, and of those that the log alone still knows."""
        standings = {each.name: each for each in self.circuits.list()}
        left = [sink for sink in self.subscribers.names() if sink not in self.sinks]
        return [self._account(sink, standings, now) for sink in (*self.sinks, *left)]

    def _account(self, sink: str, standings: Mapping[str, CircuitStanding], now: datetime) -> Account:
        counts = self.log.counts(sink)
        return Account(
            sink=sink,
            configured=sink in self.sinks,
            counts=counts,
            oldest_at=self.replays.oldest_pending(sink),
            circuits={lane: standings.get(circuit_name(sink, lane)) for lane in Lane},
            delivered_per_second=self.rates.note(sink, counts.delivered, now),
            last_error=self.replays.last_error(sink),
        )

    def event(self, named: str) -> StoredEvent:
        """Look an event up by its key or its id; raises NotFound, and Conflict when several carry that id."""
        try:
            found = self.log.find(UUID(named))
        except ValueError:
            found = None
        if found is not None:
            return found
        carrying = self.replays.identified(named, 2)
        if not carrying:
            raise NotFound("event", named)
        if len(carrying) > 1:
            keys = ", ".join(str(each.record.key) for each in carrying)
            raise Conflict(
                f"expected the id of one event, got {named!r}, which several sources use; name a key: {keys}"
            )
        return carrying[0]

    def fates(self, event: StoredEvent) -> list[Fate]:
        """Tell what became of an event at each sink."""
        letters = self.replays.letters(Selection(keys=frozenset({event.record.key})), len(self.sinks) + 1)
        again = [(item, self.replays.replay(item.replay_id)) for item in self.replays.items_of(event.seq)]
        answers = self.log.answers(event)
        return [
            Fate(
                sink=sink,
                standing=self.replays.standings(sink, [event.seq])[event.seq],
                letter=next((each for each in letters if each.sink == sink), None),
                answers=[each for each in answers if each.sink == sink],
                sent_again=[(item, replay) for item, replay in again if item.sink == sink],
                held=self._held(sink, event.record.key),
            )
            for sink in self.sinks
        ]

    def _held(self, sink: str, key: UUID) -> bool | None:
        """Ask a sink's store; None where it cannot be asked, or does not answer: the rest is told all the same."""
        if sink not in self.holders:
            return None
        try:
            return key in self.holders[sink]([key])
        except DependencyUnreachable:
            return None
