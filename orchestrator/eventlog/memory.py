"""The event log in memory: for tests, and for reading what the port means."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING

from orchestrator.domain.errors import StaleEpoch
from orchestrator.domain.events import Appended, SinkCounts, StoredEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from orchestrator.domain.events import EventRecord, Lane


class MemoryEventLog:
    """The whole log as one list; what it accepted is gone with the process."""

    def __init__(self) -> None:
        self._events: list[StoredEvent] = []
        self._keys: set[UUID] = set()
        self._cursors: dict[tuple[str, Lane], tuple[int, int]] = {}
        self._dead: dict[str, dict[int, str]] = {}
        self._lock = RLock()

    def append(self, records: Sequence[EventRecord]) -> Appended:
        """Store the records; those whose key is there already are counted and left as they are."""
        with self._lock:
            before = len(self._events)
            for record in records:
                if record.key not in self._keys:
                    self._keys.add(record.key)
                    self._events.append(StoredEvent(seq=len(self._events) + 1, record=record))
            new = len(self._events) - before
            return Appended(new=new, duplicate=len(records) - new)

    def read(self, lane: Lane, after: int, limit: int) -> list[StoredEvent]:
        """Give up to `limit` events of a lane that come after a sequence number, in order."""
        with self._lock:
            return [event for event in self._events[after:] if event.record.lane is lane][:limit]

    def cursor(self, sink: str, lane: Lane) -> int:
        """Give the sequence number up to which a sink is done with a lane; 0 at first."""
        return self._cursors.get((sink, lane), (0, 0))[0]

    def advance(self, sink: str, lane: Lane, seq: int, *, epoch: int, dead: Mapping[int, str]) -> None:
        """Move a cursor and file its dead letters; it never moves back. Raises StaleEpoch behind a later epoch."""
        with self._lock:
            at, newest = self._cursors.get((sink, lane), (0, epoch))
            if epoch < newest:
                raise StaleEpoch(f"expected the newest epoch of {sink}/{lane.value}, got {epoch}; another one leads")
            self._cursors[sink, lane] = (max(at, seq), epoch)
            for number, reason in dead.items():
                self._dead.setdefault(sink, {}).setdefault(number, reason)

    def counts(self, sink: str, types: Iterable[str]) -> SinkCounts:
        """Count what became of each event for a sink that takes these types."""
        wanted = frozenset(types)
        with self._lock:
            dead = self._dead.get(sink, {})
            routed = [event for event in self._events if event.record.type in wanted]
            behind = [event.seq for event in routed if event.seq <= self.cursor(sink, event.record.lane)]
            return SinkCounts(
                accepted=len(self._events),
                filtered=sum(event.record.type not in wanted for event in self._events),
                sampled_out=0,
                routed=len(routed),
                delivered=sum(seq not in dead for seq in behind),
                pending=sum(event.seq > self.cursor(sink, event.record.lane) for event in routed),
                dead=len(dead),
            )

    def dead_letters(self, sink: str, limit: int) -> list[tuple[StoredEvent, str]]:
        """List a sink's dead letters with their reasons, oldest first."""
        with self._lock:
            letters = sorted(self._dead.get(sink, {}).items())[:limit]
            return [(self._events[seq - 1], reason) for seq, reason in letters]

    def ready(self) -> None:
        """Do nothing: memory is always there."""
