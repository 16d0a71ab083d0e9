"""Who has heard of an event, for all sinks of one process: a target that stands in for several is told once."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import Final

# How many events are known by heart.
MOST: Final = 1_000


@dataclass(slots=True)
class Ear:
    """One target and one event. `sinks` are those that count it as told; the lock is held while one of them tells."""

    lock: Lock = field(default_factory=Lock)
    sinks: set[str] = field(default_factory=set)

    def has_heard_another(self, sink: str) -> bool:
        """Tell whether another sink has told it, and this one not yet: what is asked for again is told again."""
        return bool(self.sinks) and sink not in self.sinks


@dataclass(slots=True)
class Heard:
    """The ears of the newest events, for several threads; a restart forgets them."""

    _events: dict[str, dict[str, Ear]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def ear(self, event_id: str, target: str) -> Ear:
        """Give the one of a target for an event."""
        with self._lock:
            ears = self._events.setdefault(event_id, {})
            while len(self._events) > MOST:
                self._events.pop(next(iter(self._events)))
            return ears.setdefault(target, Ear())
