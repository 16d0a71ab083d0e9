"""Forwarding: one relay for each sink and lane, which reads the log in order and moves its cursor behind what is done.

Deliver, then move the cursor: after a crash between the two, the same events go again under the same keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from orchestrator.domain.backoff import LONGEST_RETRY_AFTER, Backoff
from orchestrator.domain.events import Deferred, Outcome, Passed, Rejected
from orchestrator.failpoints import hit
from orchestrator.flows.answers import AnswerNotes
from orchestrator.flows.batches import IDLE, PATIENCE, STRIDE, Gatherer, Limits, cut
from orchestrator.flows.pauses import Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from orchestrator.domain.events import Delivery, Lane, Refusal
    from orchestrator.domain.ports import EventLog, Sink
    from orchestrator.domain.subscriptions import Subscription
    from orchestrator.flows.batches import Batch

__all__ = ["IDLE", "PATIENCE", "Circuit", "Limits", "Relay", "cut"]

# Between two tries while our key or address is wrong: a person mends that, and is told.
PARKED: Final = Backoff(base=60.0, cap=60.0)
# Seconds for which a cursor may stay behind events that the sink does not take.
BEHIND: Final = 1.0
# Seconds for which a span that would be sampled out waits for a failure in its trace.
SAMPLING_WAIT: Final = 5.0


class Circuit(Protocol):
    """A circuit breaker around a sink, asked in this order: rest, allowance, deliver."""

    def rest(self) -> float:
        """Give the seconds for which nothing is to be read or sent, 0.0 to go on; ask again after them.

        It is 1.0 at most: an operator's word, or another's that led before, is noticed while the circuit is open.
        """

    def allowance(self) -> float:
        """Give the share, above 0 and up to 1, of the usual number of events that the next batch may hold.

        At least one goes. The share is small for a probe and after closing, and doubles with each success.
        """

    def deliver(self, send: Callable[[], Delivery]) -> Delivery:
        """Make the delivery, or give Deferred with Outcome.NEUTRAL at once while the circuit is open."""


@dataclass(slots=True)
class Relay:
    """Moves one lane of the log into one sink. Not for several threads: one loop calls `run_once`.

    `epoch` gives the leader's epoch at each write; `jitter` a number in [0, 1). A span that would be sampled out waits
    `sampling_wait` seconds from its acceptance on for a failure in its trace.
    """

    log: EventLog
    sink: Sink
    subscription: Subscription
    lane: Lane
    circuit: Circuit
    epoch: Callable[[], int]
    jitter: Callable[[], float]
    limits: Limits = field(default_factory=Limits)
    sampling_wait: float = SAMPLING_WAIT
    last_error: str | None = None
    parked: bool = False
    _gatherer: Gatherer = field(init=False)
    _notes: AnswerNotes = field(init=False)
    # The place behind which it reads and the epoch in which that was learnt; None to ask the log.
    _place: tuple[int, int] | None = None
    _deferrals: int = 0
    _tries: int = 0
    _pause: Pause | None = None
    _moved: Pause | None = None

    def __post_init__(self) -> None:
        self._gatherer = Gatherer(self.log, self.lane, self.subscription, self.limits, self.sampling_wait)
        self._notes = AnswerNotes(self.log, self.sink.name, self.lane)

    def run_once(self, now: datetime, *, hurry: bool = False) -> float | None:
        """Move one batch; seconds to wait before the next call, None when there may be more to do at once.

        In a hurry a batch need not be full. Raises StaleEpoch when another process leads by now, and
        DependencyUnreachable when the log does not answer.
        """
        behind = self._behind()
        rest = max(self._pause.left(now) if self._pause else 0.0, self.circuit.rest())
        if rest > 0:
            return rest
        batch = self._gatherer.gather(behind, self.circuit.allowance(), now)
        if not batch.wanted:
            return self._step_over(batch, now)
        if batch.wait and not hurry:
            return batch.wait
        delivery = self._delivered(batch)
        hit("batch_delivered")
        return self._settle(batch, delivery, now)

    def _behind(self) -> int:
        """Give the place to read behind. Whoever led in between may have moved the cursor, or taken other types."""
        epoch = self.epoch()
        if self._place is None or self._place[1] != epoch:
            self.log.resubscribe(self.sink.name, self.lane, self.subscription, epoch=epoch)
            self._place = (self.log.cursor(self.sink.name, self.lane), epoch)
        return self._place[0]

    def _step_over(self, batch: Batch, now: datetime) -> float | None:
        """Pass what does not go to this sink; the cursor follows at once only where that says something of an event."""
        late = self._moved is None or self._moved.left(now) == 0
        if batch.passed and (batch.sampled_out or batch.passed >= STRIDE or late):
            self._advance(batch, batch.last, {}, now)
        elif batch.passed:
            self._place = (batch.last, self.epoch())
        return batch.wait or None

    def _delivered(self, batch: Batch) -> Delivery:
        def send() -> Delivery:
            self._tries += 1
            return self.sink.deliver(batch.wanted)

        return self.circuit.deliver(send)

    def _settle(self, batch: Batch, delivery: Delivery, now: datetime) -> float | None:
        if isinstance(delivery, Deferred):
            return self._defer(batch, delivery, now)
        refusals = delivery.refusals if isinstance(delivery, Rejected) else {}
        self._advance(batch, batch.last, refusals, now)
        self._deferrals, self._tries = 0, 0
        self._pause, self.last_error, self.parked = None, None, False
        self._notes.settled(batch.wanted, now)
        return batch.rest or None

    def _advance(self, batch: Batch, seq: int, refusals: Mapping[int, Refusal], now: datetime) -> None:
        """Move the cursor; where that fails, the next look begins at what the log says."""
        self._place, epoch = None, self.epoch()
        sampled_out = frozenset(each for each in batch.sampled_out if each <= seq)
        passed = Passed(now, refusals, sampled_out, max(1, self._tries))
        self.log.advance(self.sink.name, self.lane, seq, epoch=epoch, passed=passed)
        self._place, self._moved = (seq, epoch), Pause(now, BEHIND)

    def _defer(self, batch: Batch, deferred: Deferred, now: datetime) -> float:
        # An open circuit says by itself when to go on, and is asked again soon: an operator may close it meanwhile.
        wait = self.circuit.rest() or self._distance(deferred)
        if deferred.outcome is not Outcome.NEUTRAL:
            self._deferrals += 1
            self.last_error, self.parked = deferred.reason, deferred.outcome is Outcome.CONFIG
        self._pause = Pause(now, wait)
        if deferred.upto is not None:
            self._advance(batch, deferred.upto, deferred.refusals, now)
        left = [event for event in batch.wanted if event.seq > (deferred.upto or 0)]
        self._notes.deferred(left, deferred.outcome, deferred.reason, now)
        return wait

    def _distance(self, deferred: Deferred) -> float:
        """Say for how long a sink is left alone: as it asks, within reason, else by the series."""
        backoff = PARKED if deferred.outcome is Outcome.CONFIG else self.limits.backoff
        if deferred.outcome is Outcome.NEUTRAL:
            return IDLE
        if deferred.retry_after is None:
            return backoff.seconds(self._deferrals, self.jitter())
        return max(backoff.base, min(deferred.retry_after, LONGEST_RETRY_AFTER))
