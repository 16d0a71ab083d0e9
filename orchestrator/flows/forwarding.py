"""Forwarding: one relay for each sink and lane, which reads the log in order and moves its cursor behind what is done.

Deliver, then move the cursor: after a crash between the two, the same events go again under the same keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from orchestrator.domain.backoff import LONGEST_RETRY_AFTER, Backoff
from orchestrator.domain.events import Deferred, Delivered, Passed, Rejected
from orchestrator.failpoints import hit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from orchestrator.domain.events import Delivery, Lane, StoredEvent
    from orchestrator.domain.ports import EventLog, Sink
    from orchestrator.domain.subscriptions import Subscription

# Seconds between two looks at a log that had nothing new.
IDLE: Final = 0.2
PATIENCE: Final = Backoff(base=0.25, cap=15.0)


class Circuit(Protocol):
    """A circuit breaker around a sink, asked in this order: rest, allowance, deliver."""

    def rest(self) -> float:
        """Give the seconds for which nothing is to be read or sent, 0.0 to go on; ask again after them.

        It is 1.0 at most: an operator's word, or another's that led before, is noticed while the circuit is open.
        """

    def allowance(self) -> float:
        """Give the share, above 0 and up to 1, of the usual number of events that the next batch may hold.

        At least one event always goes. The share is small for a probe and after closing, and doubles with each success.
        """

    def deliver(self, send: Callable[[], Delivery]) -> Delivery:
        """Make the delivery, or give Deferred with Outcome.NEUTRAL at once while the circuit is open."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much goes at once, and how long a deferred batch waits where its sink does not say."""

    events: int = 200
    bytes: int = 3_000_000
    backoff: Backoff = PATIENCE


@dataclass(slots=True)
class Relay:
    """Moves one lane of the log into one sink. Not for several threads: one loop calls `run_once`.

    `epoch` gives the leader's epoch at each write; `jitter` a number in [0, 1).
    """

    log: EventLog
    sink: Sink
    subscription: Subscription
    lane: Lane
    circuit: Circuit
    epoch: Callable[[], int]
    jitter: Callable[[], float]
    limits: Limits = Limits()
    last_error: str | None = None
    _deferrals: int = 0
    _not_before: datetime | None = field(default=None)

    def run_once(self, now: datetime) -> float | None:
        """Move one batch; seconds to wait before the next call, None when there may be more to do at once.

        Raises StaleEpoch when another process leads by now, and DependencyUnreachable when the log does not answer.
        """
        if self._not_before is not None and now < self._not_before:
            return (self._not_before - now).total_seconds()
        batch = self._next_batch()
        if not batch:
            return IDLE
        delivery = self._delivered(batch)
        hit("batch_delivered")
        return self._settle(batch, delivery, now)

    def _next_batch(self) -> list[StoredEvent]:
        after = self.log.cursor(self.sink.name, self.lane)
        return cut(self.log.read(self.lane, after, self.limits.events), self.limits.bytes)

    def _delivered(self, batch: Sequence[StoredEvent]) -> Delivery:
        wanted = [event for event in batch if self.subscription.takes(event.record)]
        if not wanted:
            return Delivered()
        return self.circuit.deliver(lambda: self.sink.deliver(wanted))

    def _settle(self, batch: Sequence[StoredEvent], delivery: Delivery, now: datetime) -> float | None:
        if isinstance(delivery, Deferred):
            return self._defer(delivery, now)
        refusals = delivery.refusals if isinstance(delivery, Rejected) else {}
        passed = Passed(now, refusals, attempts=self._deferrals + 1)
        self.log.advance(self.sink.name, self.lane, batch[-1].seq, epoch=self.epoch(), passed=passed)
        self._deferrals, self._not_before, self.last_error = 0, None, None
        return None

    def _defer(self, deferred: Deferred, now: datetime) -> float:
        backoff, asked = self.limits.backoff, deferred.retry_after
        wait = backoff.seconds(self._deferrals, self.jitter())
        if asked is not None:
            wait = max(backoff.base, min(asked, LONGEST_RETRY_AFTER))
        self._deferrals += 1
        self._not_before = now + timedelta(seconds=wait)
        self.last_error = deferred.reason
        return wait


def cut(events: Sequence[StoredEvent], most_bytes: int) -> list[StoredEvent]:
    """Take events from the front while their bodies fit; always the first, or nothing would ever move."""
    taken: list[StoredEvent] = []
    size = 0
    for event in events:
        size += len(event.record.body)
        if taken and size > most_bytes:
            break
        taken.append(event)
    return taken
