"""Room: how much the event log may hold, and the part of it that is kept for what recovery and cost live on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from orchestrator.domain.events import Lane
from orchestrator.domain.routing import lane_of

# What a row takes beside its event's bytes: columns, indexes, and its key after it is gone.
ROW_BYTES: Final = 500
# Seconds after which room is looked for again.
RETRY_AFTER: Final = 5.0
# Of the telemetry lane, and yet taken into the reserve: few, and without them nobody knows who works, or what ended.
NEEDED_PREFIXES: Final = (
    "redrive.task.outcomes.",
    "redrive.worker.",
    "redrive.redelivery.",
    "redrive.message.",
)


def is_urgent(event_type: str) -> bool:
    """Tell whether an event may go into the reserve."""
    return lane_of(event_type) is Lane.PRIORITY or event_type.startswith(NEEDED_PREFIXES)


@dataclass(frozen=True, slots=True)
class Held:
    """What the log holds: events, and the bytes of their bodies."""

    events: int
    bytes: int

    @property
    def size(self) -> int:
        """Give about as many bytes as the database needs for it."""
        return self.bytes + self.events * ROW_BYTES

    def with_more(self, events: int, body_bytes: int) -> Held:
        """Give what it is with so many events more."""
        return Held(self.events + events, self.bytes + body_bytes)


@dataclass(frozen=True, slots=True)
class Room:
    """The most bytes that the log may hold, of which the share `reserve` is for urgent events only."""

    most: int
    reserve: float = 0.1

    def admits(self, held: Held, *, urgent: bool) -> bool:
        """Tell whether the log may come to hold this much by a batch, of which all is `urgent` or not."""
        return held.size <= (self.most if urgent else self.for_all)

    @property
    def for_all(self) -> int:
        """Give the bytes up to which every event is taken."""
        return int(self.most * (1 - self.reserve))


UNBOUNDED: Final = Room(2**62)
