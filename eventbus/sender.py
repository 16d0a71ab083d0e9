"""Where letters go: to the bus while it confirms, else to the spool, and from there to the bus in their order."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from eventbus.letters import Letter, bundles
from eventbus.losses import Losses
from eventbus.wire import join

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventbus.spool import Spool

log = logging.getLogger(__name__)

RETRY_SECONDS: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
ADOPT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the events published by this process; a spooled one is sent later, and then counted as both.

    `dropped_spans` are those of `dropped` that were allowed to.
    """

    sent: int = 0
    spooled: int = 0
    dropped: int = 0
    dropped_spans: int = 0


class Sender:
    """Takes batches of letters. `deliver(routing_key, body)` sends one bus message and returns once it is confirmed."""

    def __init__(self, deliver: Callable[[str, bytes], None], spool: Spool, losses: Losses | None = None) -> None:
        self._deliver = deliver
        self._spool = spool
        self._losses = losses or Losses()
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._said: set[str] = set()
        self._retry_at = 0.0
        self._adopt_at = 0.0
        self.refusals = 0
        self.counts = Counts()

    @property
    def settled(self) -> bool:
        """Tell whether the spool holds nothing that this process has to send."""
        return self._spool.empty

    @property
    def patience(self) -> float | None:
        """Give the seconds until there is something to do without a new letter; None when there is nothing."""
        return None if self._spool.empty else max(0.0, self._retry_at - time.monotonic())

    def retry_now(self) -> None:
        """Forget the wait after the last refusal."""
        self._retry_at = 0.0

    def handle(self, letters: Sequence[Letter]) -> None:
        """Send a batch, or keep it behind what the spool holds already; then send on from the spool."""
        self._adopt()
        due = time.monotonic() >= self._retry_at
        if due and self._spool.empty:
            letters = self._send(letters)
            due = not letters
        self.keep(letters)
        if due:
            self._drain()

    def keep(self, letters: Sequence[Letter]) -> None:
        """Write letters to the spool; what it can't hold is dropped, counted and logged."""
        if not letters:
            return
        try:
            with self._lock:
                dropped = self._spool.append(letters)
        except OSError as error:
            self._lose(letters, error)
            return
        self._count(spooled=len(letters) - len(dropped))
        self._lose(dropped, "expected room in the spool, got a full one: start the bus")

    def drop(self, count: int, why: object, *, droppable: bool = False) -> None:
        """Count letters that are lost, and tell it."""
        self._count(dropped=count, dropped_spans=count if droppable else 0)
        self._losses.note(count, why, droppable=droppable)

    def _count(self, **more: int) -> None:
        with self._counting:
            self.counts = replace(self.counts, **{name: getattr(self.counts, name) + by for name, by in more.items()})

    def _lose(self, letters: Sequence[Letter], why: object) -> None:
        for droppable in (False, True):
            count = sum(letter.droppable is droppable for letter in letters)
            if count:
                self.drop(count, why, droppable=droppable)

    def _adopt(self) -> None:
        now = time.monotonic()
        if now >= self._adopt_at:
            self._adopt_at = now + ADOPT_SECONDS
            with self._lock:
                self._spool.adopt()

    def _drain(self) -> None:
        with self._lock:
            letters, size = self._spool.peek()
        if letters and not self._send(letters):
            with self._lock:
                self._spool.forget(size)

    def _send(self, letters: Sequence[Letter]) -> Sequence[Letter]:
        """Send letters, failures first, then outcomes, then telemetry; gives those that the bus did not confirm."""
        ordered = sorted(letters, key=lambda letter: letter.routing_key)
        sent = 0
        try:
            for bundle in bundles(ordered):
                self._deliver(bundle[0].routing_key, join([letter.body for letter in bundle]))
                sent += len(bundle)
        except Exception as error:  # noqa: BLE001 - whatever a broker's client raises, the rest is unconfirmed
            self._refused(error)
        else:
            self.refusals = 0
        self._count(sent=sent)
        return ordered[sent:]

    def _refused(self, error: Exception) -> None:
        self._retry_at = time.monotonic() + RETRY_SECONDS[min(self.refusals, len(RETRY_SECONDS) - 1)]
        self.refusals += 1
        self._say_once("bus.unreachable", error)

    def _say_once(self, name: str, why: object) -> None:
        if name not in self._said:
            self._said.add(name)
            log.warning("%s: %r; further ones in this process are counted, not logged", name, why)
