"""The event log in memory: for tests, and for reading what the port means."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from threading import RLock
from typing import TYPE_CHECKING

from orchestrator.domain.errors import LogFull, StaleEpoch
from orchestrator.domain.events import (
    UNBOUNDED_BYTES,
    Answer,
    Appended,
    DeadLetter,
    HourCounts,
    Lane,
    SinkCounts,
    StoredEvent,
    Stretch,
)
from orchestrator.domain.room import RETRY_AFTER, UNBOUNDED, Held, is_urgent
from orchestrator.domain.subscriptions import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from orchestrator.domain.events import EventRecord, Passed
    from orchestrator.domain.room import Room

NOTHING = Subscription(frozenset())


@dataclass(slots=True)
class _Reader:
    """One sink: what it takes, from which place on in each lane, and what it did not get."""

    subscriptions: dict[Lane, list[tuple[int, Subscription]]] = field(default_factory=lambda: defaultdict(list))
    cursors: dict[Lane, tuple[int, int]] = field(default_factory=dict)
    dead: dict[int, DeadLetter] = field(default_factory=dict)
    sampled_out: set[int] = field(default_factory=set)

    def at(self, lane: Lane) -> int:
        return self.cursors.get(lane, (0, 0))[0]

    def move(self, sink: str, lane: Lane, seq: int, epoch: int) -> None:
        at, newest = self.cursors.get(lane, (0, epoch))
        if epoch < newest:
            raise StaleEpoch(f"expected epoch {newest} of {sink}/{lane.value} or a later one, got {epoch}", newest)
        self.cursors[lane] = (max(at, seq), epoch)

    def takes(self, event: StoredEvent) -> bool:
        then = [known for since, known in self.subscriptions[event.record.lane] if since < event.seq]
        return bool(then) and then[-1].takes(event.record)


class MemoryEventLog:
    """The whole log as one list; what it accepted is gone with the process."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC), room: Room = UNBOUNDED) -> None:
        self._clock = clock
        self.room = room
        self._events: list[StoredEvent] = []
        self._places: dict[UUID, int] = {}
        self._readers: defaultdict[str, _Reader] = defaultdict(_Reader)
        self._answers: list[Answer] = []
        self._lock = RLock()

    def append(self, records: Sequence[EventRecord]) -> Appended:
        """Store the records; those whose key is there already are counted and left as they are."""
        with self._lock:
            self._find_room(records)
            before, now = len(self._events), self._clock()
            for record in records:
                if record.key not in self._places:
                    self._places[record.key] = len(self._events)
                    self._events.append(StoredEvent(len(self._events) + 1, record, now))
            new = len(self._events) - before
            return Appended(new=new, duplicate=len(records) - new)

    def _find_room(self, records: Sequence[EventRecord]) -> None:
        after = self.held().with_more(len(records), sum(len(each.body) for each in records))
        if not self.room.admits(after, urgent=all(is_urgent(each.type) for each in records)):
            raise LogFull(RETRY_AFTER)

    def held(self) -> Held:
        """Tell how much the log holds."""
        return Held(len(self._events), sum(len(each.record.body) for each in self._events))

    def subscribe(self, sink: str, subscription: Subscription) -> None:
        """Make a sink known, with what it takes; where it is known, nothing changes."""
        with self._lock:
            for lane in Lane:
                known = self._readers[sink].subscriptions[lane]
                if not known:
                    known.append((0, subscription))

    def resubscribe(self, sink: str, lane: Lane, subscription: Subscription, *, epoch: int) -> None:
        """Say what a sink takes of a lane from its cursor on. Raises StaleEpoch behind a later epoch."""
        with self._lock:
            reader = self._readers[sink]
            reader.move(sink, lane, 0, epoch)
            known = reader.subscriptions[lane]
            if not known or known[-1][1] != subscription:
                known.append((reader.at(lane) if known else 0, subscription))

    def find(self, key: UUID) -> StoredEvent | None:
        """Give the event that is filed under a key; None when there is none."""
        place = self._places.get(key)
        return None if place is None else self._events[place]

    def read(self, lane: Lane, after: int, limit: int) -> list[StoredEvent]:
        """Give up to `limit` events of a lane that come after a sequence number, in order."""
        with self._lock:
            return [event for event in self._events[after:] if event.record.lane is lane][:limit]

    def stretch(
        self, lane: Lane, after: int, number: int, types: AbstractSet[str], most_bytes: int = UNBOUNDED_BYTES
    ) -> Stretch:
        """Look at the next `number` events of a lane, and give those of these types with how far all of them reach.

        It is cut behind the event with which their bodies have more than `most_bytes`.
        """
        events = self.read(lane, after, number)
        taken = [event for event in events if event.record.type in types]
        sizes = accumulate(len(event.record.body) for event in taken)
        for index, size in enumerate(sizes, 1):
            if size > most_bytes:
                last = taken[index - 1].seq
                return Stretch(taken[:index], last, sum(event.seq <= last for event in events), cut=True)
        return Stretch(taken, events[-1].seq if events else after, len(events))

    def cursor(self, sink: str, lane: Lane) -> int:
        """Give the sequence number up to which a sink is done with a lane; 0 at first."""
        return self._readers[sink].at(lane)

    def advance(self, sink: str, lane: Lane, seq: int, *, epoch: int, passed: Passed) -> None:
        """Move a cursor and note what it passed; it never moves back. Raises StaleEpoch behind a later epoch."""
        with self._lock:
            reader = self._readers[sink]
            reader.move(sink, lane, seq, epoch)
            reader.sampled_out |= passed.sampled_out
            for number, refusal in passed.refusals.items():
                letter = DeadLetter(self._events[number - 1], refusal, passed.attempts, passed.at)
                reader.dead.setdefault(number, letter)

    def counts(self, sink: str) -> SinkCounts:
        """Count what became of each event for a sink that has subscribed."""
        with self._lock:
            return self._counted(self._readers[sink], self._events)

    def hours(self, sink: str, since: datetime, until: datetime) -> list[HourCounts]:
        """Count the same for each hour of acceptance."""
        with self._lock:
            hours: defaultdict[datetime, list[StoredEvent]] = defaultdict(list)
            for event in self._events:
                hours[event.accepted_at.replace(minute=0, second=0, microsecond=0)].append(event)
            counted = ((hour, self._counted(self._readers[sink], events)) for hour, events in sorted(hours.items()))
            return [HourCounts(hour, counts) for hour, counts in counted if since <= hour < until]

    def _counted(self, reader: _Reader, events: Sequence[StoredEvent]) -> SinkCounts:
        routed = [each for each in events if reader.takes(each) and each.seq not in reader.sampled_out]
        behind = [each for each in routed if each.seq <= reader.at(each.record.lane)]
        return SinkCounts(
            accepted=len(events),
            filtered=sum(not reader.takes(each) for each in events),
            sampled_out=sum(each.seq in reader.sampled_out for each in events),
            routed=len(routed),
            delivered=sum(each.seq not in reader.dead for each in behind),
            pending=sum(each.seq > reader.at(each.record.lane) for each in routed),
            dead=sum(each.seq in reader.dead for each in events),
        )

    def dead_letters(self, sink: str, limit: int, after: int = 0) -> list[DeadLetter]:
        """List a sink's dead letters behind a sequence number, oldest first."""
        with self._lock:
            letters = sorted(self._readers[sink].dead.items())
            return [letter for seq, letter in letters if seq > after][:limit]

    def failed_traces(self, traces: Iterable[str]) -> set[str]:
        """Tell in which of these traces an event of the log says that something failed."""
        wanted = set(traces)
        with self._lock:
            records = [event.record for event in self._events if event.record.failed]
            return {record.trace for record in records if record.trace is not None and record.trace in wanted}

    def note_answer(self, answer: Answer) -> None:
        """Keep what a sink answered to a batch."""
        self._answers.append(answer)

    def answers(self, stored: StoredEvent) -> list[Answer]:
        """List what each sink answered to the batches that an event was in, oldest first."""
        lane = stored.record.lane
        return [each for each in self._answers if each.lane is lane and each.first <= stored.seq <= each.last]

    def ready(self) -> None:
        """Do nothing: memory is always there."""
