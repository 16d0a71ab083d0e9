"""Encoded events on their way out of this process: one letter each, and the bounded queue where they wait."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BATCH_EVENTS: Final = 200
BATCH_BYTES: Final = 1 << 20
BATCH_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Letter:
    """One encoded event, and the routing key under which it leaves; a droppable one gives way where room is short."""

    routing_key: str
    body: bytes
    droppable: bool = False


def bundles(letters: Iterable[Letter]) -> Iterator[list[Letter]]:
    """Split letters, in order, into bundles for one bus message each: one routing key, and a bound on the bytes."""
    bundle: list[Letter] = []
    size = 0
    for letter in letters:
        if bundle and (letter.routing_key != bundle[0].routing_key or size + len(letter.body) > BATCH_BYTES):
            yield bundle
            bundle, size = [], 0
        bundle.append(letter)
        size += len(letter.body)
    if bundle:
        yield bundle


class Outgoing:
    """Letters waiting in memory. `put` never waits; `take` gathers a batch for the one thread that sends."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._waiting: deque[Letter] = deque()
        self._in_flight: list[Letter] = []
        self._bytes = 0
        self._hurry = False
        self.closed = False
        self.changed = threading.Condition()

    def put(self, letter: Letter, *, urgent: bool) -> bool:
        """Add a letter, or tell that there is no room or that it is closed; an urgent one waits for no company.

        A droppable one finds half the room.
        """
        with self.changed:
            room = self._max_bytes // 2 if letter.droppable else self._max_bytes
            if self.closed or self._bytes + len(letter.body) > room:
                return False
            self._waiting.append(letter)
            self._bytes += len(letter.body)
            self._hurry |= urgent
            if urgent or len(self._waiting) in (1, BATCH_EVENTS):
                self.changed.notify_all()
            return True

    def take(self, patience: float | None) -> list[Letter]:
        """Wait up to `patience` seconds for a letter, then shortly for company; they are in flight until `done`."""
        with self.changed:
            self.changed.wait_for(lambda: self._waiting or self._pressed, patience)
            if self._waiting:
                self.changed.wait_for(lambda: len(self._waiting) >= BATCH_EVENTS or self._pressed, BATCH_SECONDS)
            count = min(len(self._waiting), BATCH_EVENTS)
            self._in_flight = [self._waiting.popleft() for _ in range(count)]
            self._hurry &= bool(self._waiting)
            return self._in_flight

    def done(self) -> None:
        """Say that what was taken is sent, kept or given up."""
        with self.changed:
            self._bytes -= sum(len(letter.body) for letter in self._in_flight)
            self._in_flight = []
            self.changed.notify_all()

    def press(self, *, close: bool = False) -> None:
        """Ask the sender to take at once what there is; with `close`, for the last time."""
        with self.changed:
            self._hurry = True
            self.closed |= close
            self.changed.notify_all()

    def remaining(self) -> list[Letter]:
        """Give what has not left: in flight and waiting, in order."""
        with self.changed:
            return [*self._in_flight, *self._waiting]

    @property
    def idle(self) -> bool:
        """Tell whether nothing waits and nothing is in flight."""
        return not self._waiting and not self._in_flight

    @property
    def _pressed(self) -> bool:
        return self._hurry or self.closed
