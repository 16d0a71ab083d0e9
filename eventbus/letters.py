"""Encoded events on their way out of this process: one letter each, and the bounded queue where they wait."""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

log = logging.getLogger(__name__)

BATCH_EVENTS: Final = 200
BATCH_BYTES: Final = 1 << 20
BATCH_SECONDS: Final = 0.05


class Receipt:
    """What waits for the end of a letter's way: told once, by whichever thread first knows it."""

    def __init__(self, on_kept: Callable[[], None] | None, on_end: Callable[[], None] | None = None) -> None:
        self._on_end = [on_end]
        self._on_kept = on_kept

    def give(self, *, kept: bool) -> None:
        """Call `on_kept`, if the bus or the spool has it, and `on_end`; nothing the second time. A fault stays here."""
        try:
            on_end = self._on_end.pop()
        except IndexError:
            return
        for call in (self._on_kept if kept else None, on_end):
            try:
                if call is not None:
                    call()
            except Exception:
                log.exception("event.receipt_failed: whether the event is kept does not depend on it")


def settle(letters: Iterable[Letter], *, kept: bool) -> None:
    """Tell whoever waits that these letters are kept, or that they are lost."""
    for letter in letters:
        if letter.receipt is not None:
            letter.receipt.give(kept=kept)


@dataclass(frozen=True, slots=True)
class Letter:
    """One encoded event, and the routing key under which it leaves; a droppable one gives way where room is short."""

    routing_key: str
    body: bytes
    droppable: bool = False
    receipt: Receipt | None = field(default=None, compare=False)


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
        """Wait up to `patience` seconds for a letter; they are in flight until `done`.

        What is not urgent waits shortly for company, the first one too: the run that makes it is about to end, and this
        thread would contend with it for the interpreter.
        """
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
