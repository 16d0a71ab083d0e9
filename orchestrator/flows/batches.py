"""Batches: the next events of a lane, told apart, and when they are to leave."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from orchestrator.domain.backoff import Backoff
from orchestrator.domain.sampling import Verdict, age_of, doubtful_trace, is_waiting, judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from orchestrator.domain.events import Lane, StoredEvent, Stretch
    from orchestrator.domain.ports import EventLog
    from orchestrator.domain.subscriptions import Subscription

# Seconds between two looks at a log that has nothing to send.
IDLE: Final = 0.2
PATIENCE: Final = Backoff(base=0.25, cap=15.0)
# How many events are passed before the cursor follows, where a sink takes few of them.
STRIDE: Final = 5_000
# How many are read at once, at least: the few of a probe are found among many that the sink does not take.
LEAST_READ: Final = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """How much goes at once, and how long it may wait.

    A batch leaves when it holds so many events or bytes, or when its oldest event was accepted `linger` seconds ago.
    A deferred one waits by `backoff`, where its sink does not say.
    """

    events: int = 1_000
    bytes: int = 3_000_000
    linger: float = 0.2
    backoff: Backoff = PATIENCE


@dataclass(slots=True)
class Batch:
    """What comes next in a lane, up to the event `last`: what is to go, and the spans that were sampled out.

    `wait` is for how many seconds it is better not to act on it; 0 for a batch that is full, or old enough. `rest` is
    how long nothing more can come of the lane afterwards, since the next span waits for a failure in its trace.
    """

    last: int
    wanted: list[StoredEvent] = field(default_factory=list)
    sampled_out: set[int] = field(default_factory=set)
    bytes: int = 0
    passed: int = 0
    wait: float = 0.0
    rest: float = 0.0

    def fits(self, event: StoredEvent, most_bytes: int) -> bool:
        """Tell whether one more may go; the first always may, or nothing would ever move."""
        return not self.wanted or self.bytes + len(event.record.body) <= most_bytes

    def add(self, event: StoredEvent, verdict: Verdict) -> None:
        """Put the next event in."""
        self.last = event.seq
        self.passed += 1
        if verdict is Verdict.KEEP:
            self.wanted.append(event)
            self.bytes += len(event.record.body)
        elif verdict is Verdict.DROP:
            self.sampled_out.add(event.seq)

    def reach(self, stretch: Stretch) -> None:
        """Go to the end of a stretch whose events are in: what it does not hold is of no type that is taken."""
        self.last = stretch.last
        self.passed += stretch.number - len(stretch.events)


@dataclass(frozen=True, slots=True)
class Gatherer:
    """Takes batches for one sink from one lane. A span is `patience` seconds old before it is sampled out."""

    log: EventLog
    lane: Lane
    subscription: Subscription
    limits: Limits
    patience: float

    def gather(self, after: int, share: float, now: datetime) -> Batch:
        """Read the next batch behind a place; it holds a share, above 0 and up to 1, of what the limits allow."""
        most = max(1, int(self.limits.events * share))
        batch = Batch(after)
        for stretch in self._stretches(after, max(most, LEAST_READ)):
            if self._ends_within(batch, stretch, most, now):
                return batch
            batch.reach(stretch)
            if batch.passed >= STRIDE:
                return batch
        batch.wait = self._wait(batch, IDLE, now)
        return batch

    def _stretches(self, after: int, number: int) -> Iterator[Stretch]:
        """Read on until the lane ends. Events of other types are not read at all: a sink may take few of many."""
        types, most_bytes = self.subscription.types, self.limits.bytes
        while (stretch := self.log.stretch(self.lane, after, number, types, most_bytes)).number:
            yield stretch
            if stretch.number < number and not stretch.cut:
                return
            after = stretch.last

    def _ends_within(self, batch: Batch, stretch: Stretch, most: int, now: datetime) -> bool:
        """Add to the batch until it is full, or the next event is to wait; False where there is room for more."""
        for event, verdict in zip(stretch.events, self._verdicts(stretch.events, now), strict=True):
            if verdict is Verdict.WAIT:
                batch.rest = max(IDLE, self.patience - age_of(event, now))
                batch.wait = self._wait(batch, batch.rest, now)
                return True
            if verdict is Verdict.KEEP and not batch.fits(event, self.limits.bytes):
                return True
            batch.add(event, verdict)
            if len(batch.wanted) == most:
                return True
        return False

    def _verdicts(self, events: Sequence[StoredEvent], now: datetime) -> list[Verdict]:
        taken = [self.subscription.takes(event.record) for event in events]
        if self.subscription.sample >= 1:
            return [Verdict.KEEP if takes else Verdict.FILTER for takes in taken]
        traces = [
            doubtful_trace(event, self.subscription) if takes else None
            for event, takes in zip(events, taken, strict=True)
        ]
        doubtful = {trace for trace in traces if trace is not None}
        failed = self.log.failed_traces(doubtful) if doubtful else set[str]()
        return [
            judge(trace, failed, age_of(event, now), self.patience) if takes else Verdict.FILTER
            for event, takes, trace in zip(events, taken, traces, strict=True)
        ]

    def _wait(self, batch: Batch, otherwise: float, now: datetime) -> float:
        """Say how long a batch that is not full may wait: for its oldest event to be old enough, or for news."""
        if not batch.wanted:
            return otherwise
        age = age_of(batch.wanted[0], now)
        return min(IDLE, self.limits.linger - age) if is_waiting(age, self.limits.linger) else 0.0


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
