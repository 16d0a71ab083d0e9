"""Waking the parts of this process: what commits work for another part ends that part's wait."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from threading import Event

    from orchestrator.domain.ledger import Ledger, LedgerTx

# So long is what a rule and its workflow need, with some room.
DECISION_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class WakingLedger:
    """The ledger as it is written by who makes work for others: each commit sets `wakes`."""

    ledger: Ledger
    wakes: tuple[Event, ...]

    @contextmanager
    def transaction(self) -> Iterator[LedgerTx]:
        """Open a transaction; once it has committed, whoever may have work now is woken."""
        with self.ledger.transaction() as tx:
            yield tx
        wake(self.wakes)

    def reading(self) -> AbstractContextManager[LedgerTx]:
        """Open a transaction that only reads: that wakes nobody."""
        return self.ledger.reading()

    def ready(self) -> None:
        """Raise DependencyUnreachable when the ledger cannot be read."""
        self.ledger.ready()


@dataclass(slots=True)
class Courtesy:
    """Lets a decision go first: what is asked meanwhile takes the time of who decides, here and in StackStorm."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    _until: float = 0.0

    def begin(self) -> None:
        """Say that a decision is asked for now."""
        self._until = self.clock() + DECISION_SECONDS

    def give(self) -> int:
        """Wait until the last decision is made, as far as can be told, DECISION_SECONDS at most; that is no work: 0."""
        rest = self._until - self.clock()
        if rest > 0:
            self.sleep(rest)
        return 0


def waking(
    handle: Callable[[Sequence[bytes]], int], wakes: tuple[Event, ...], courtesy: Courtesy
) -> Callable[[Sequence[bytes]], int]:
    """Give the handler of a bus' batches that sets `wakes` once a batch is taken in, which may ask for decisions."""

    def handled(bodies: Sequence[bytes]) -> int:
        courtesy.begin()
        taken = handle(bodies)
        wake(wakes)
        return taken

    return handled


def wake(wakes: tuple[Event, ...]) -> None:
    """End the waits of parts."""
    for each in wakes:
        each.set()
