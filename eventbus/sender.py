"""Where letters go: to the bus while it confirms, else to the spool, and from there to the bus in their order."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from eventbus.letters import Letter, bundles, settle
from eventbus.limits import AGE_VARIABLE, BYTES_VARIABLE
from eventbus.losses import Losses
from eventbus.wire import join

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventbus.spool import Spool

log = logging.getLogger(__name__)

# After each refusal in a row; of each between a half and the whole is waited, so that workers do not come together.
RETRY_SECONDS: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
LOOK_SECONDS: Final = 10.0


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
    """Takes batches of letters. `deliver(routing_key, body)` sends one bus message and returns once it is confirmed.

    `away` says whether the bus refused last, as far as is known; a forked child is told by its parent.
    """

    def __init__(
        self, deliver: Callable[[str, bytes], None], spool: Spool, losses: Losses | None = None, *, away: bool = False
    ) -> None:
        self._deliver = deliver
        self._spool = spool
        self._losses = losses or Losses()
        # A signal's handler may publish on top of a publish: a cold shutdown runs in one.
        self._lock = threading.RLock()
        self._counting = threading.RLock()
        self._said: set[str] = set()
        self._retry_at = 0.0
        self._look_at = 0.0
        self._losing = False
        self.away = away
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

    def rest(self) -> None:
        """Try the bus no more: what comes is kept."""
        self._retry_at = math.inf

    def handle(self, letters: Sequence[Letter]) -> None:
        """Send a batch, or keep it behind what the spool holds already; then send on from the spool."""
        self._try(self._look)
        due = time.monotonic() >= self._retry_at
        if due and self._spool.empty:
            letters = self._send(letters)
            due = not letters
        self.keep(letters)
        if due:
            self._try(self._drain)

    def keep(self, letters: Sequence[Letter]) -> None:
        """Write letters to the spool; what it can't hold is dropped, counted and logged."""
        if not letters:
            return
        try:
            with self._lock:
                refused = self._spool.append(letters)
        except OSError as error:
            self.lose(letters, f"expected to write to the spool (mend the disk, or choose another), got {error!r}")
            return
        gone = {id(letter) for letter in refused}
        kept = [letter for letter in letters if id(letter) not in gone]
        settle(kept, kept=True)
        self._count(spooled=len(kept))
        if refused:
            why = f"expected room in the spool, got a full one: mend the bus, or raise {BYTES_VARIABLE}"
            self.lose(refused, why)
        elif kept:
            self._recovered()

    def lose(self, letters: Sequence[Letter], why: object) -> None:
        """Count letters as lost, and tell it."""
        settle(letters, kept=False)
        for droppable in (False, True):
            count = sum(letter.droppable is droppable for letter in letters)
            if count:
                self.drop(count, why, droppable=droppable)

    def drop(self, count: int, why: object, *, droppable: bool = False) -> None:
        """Count so many events as lost, and tell it."""
        self._losing = True
        self._count(dropped=count, dropped_spans=count if droppable else 0)
        self._losses.note(count, why, droppable=droppable)

    def _recovered(self) -> None:
        if self._losing:
            self._losing = False
            self._losses.over()

    def _count(self, **more: int) -> None:
        with self._counting:
            self.counts = replace(self.counts, **{name: getattr(self.counts, name) + by for name, by in more.items()})

    def _try(self, work: Callable[[], None]) -> None:
        """Do some work on what the spool holds; a disk that does not let it be read or emptied is tried again later."""
        try:
            work()
        except OSError as error:
            self._retry_at = time.monotonic() + RETRY_SECONDS[-1]
            self.refusals += 1
            self._say_once("spool.unreadable", error)

    def _look(self) -> None:
        """Once in a while take over what dead processes left, and leave behind what is too old or damaged."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            with self._lock:
                self._spool.adopt()
            self._sweep()

    def _sweep(self) -> None:
        with self._lock:
            aged, damaged = self._spool.sweep()
        if aged:
            age = f"{self._spool.limits.max_age:.0f} s"
            self.lose(
                aged, f"expected events to leave within {age}, got older ones: mend the bus, or raise {AGE_VARIABLE}"
            )
        if damaged:
            self.drop(damaged, "expected whole records in the spool, got damaged ones, left out: look at the disk")

    def _drain(self) -> None:
        with self._lock:
            reading = self._spool.peek()
        if reading.skip:
            self._sweep()
        elif reading.kept and not self._send(reading.letters):
            with self._lock:
                self._spool.forget(reading.size)

    def _send(self, letters: Sequence[Letter]) -> Sequence[Letter]:
        """Send letters, failures first, then outcomes, then telemetry; gives those that the bus did not confirm."""
        ordered = sorted(letters, key=lambda letter: letter.routing_key)
        sent = 0
        try:
            for bundle in bundles(ordered):
                self._deliver(bundle[0].routing_key, join([letter.body for letter in bundle]))
                sent += len(bundle)
                settle(bundle, kept=True)
        except Exception as error:  # noqa: BLE001 - whatever a broker's client raises, the rest is unconfirmed
            self._refused(error)
        else:
            self._accepted(sent)
        self._count(sent=sent)
        return ordered[sent:]

    def _accepted(self, sent: int) -> None:
        if sent:
            self.away = False
            self.refusals = 0
            self._recovered()

    def _refused(self, error: Exception) -> None:
        wait = RETRY_SECONDS[min(self.refusals, len(RETRY_SECONDS) - 1)]
        self._retry_at = time.monotonic() + wait * random.uniform(0.5, 1)  # noqa: S311 - a wait, no secret
        self.refusals += 1
        self.away = True
        self._say_once("bus.unreachable", error)

    def _say_once(self, name: str, why: object) -> None:
        if name not in self._said:
            self._said.add(name)
            log.warning("%s: %r; further ones in this process are counted, not logged", name, why)
