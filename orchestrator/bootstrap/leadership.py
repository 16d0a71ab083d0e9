"""Who leads a part: several orchestrators may share a ledger; one of them at a time does each part's work."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from orchestrator.domain.errors import StaleEpoch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime

    from orchestrator.domain.ledger import Ledger, LedgerTx

PID_NAMESPACE = Path("/proc/self/ns/pid")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# Fields of /proc/PID/stat (proc(5)), counted behind the command's closing parenthesis.
STATE_FIELD, START_TIME_FIELD = 0, 19
# One that has ended, and whose parent has not fetched its status: it writes no more, so it leads no more.
ENDED = frozenset("ZX")


def process_name() -> str:
    """Name this process so that another one here can tell whether it is alive: boot, pid, start, and a uuid."""
    return "/".join((_boot(), str(os.getpid()), _started(os.getpid()), uuid4().hex))


def is_dead(owner: str) -> bool:
    """Tell whether the process of that name is known to be gone; a process of another machine is never known to be."""
    boot, pid, started, _ = owner.split("/")
    return bool(boot) and boot == _boot() and _started(int(pid)) != started


def _boot() -> str:
    """Name what process ids are counted in: this boot, and the pid namespace, which a container has of its own."""
    if not BOOT_ID.exists():
        return ""
    return f"{BOOT_ID.read_text().strip()} {PID_NAMESPACE.readlink()}"


def _started(pid: int) -> str:
    """Tell when a process began, in ticks since the boot; nothing where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[STATE_FIELD] in ENDED else fields[START_TIME_FIELD]


@dataclass(slots=True)
class Leadership:
    """The lead of one part, taken and renewed for `ttl` seconds at a time."""

    ledger: Ledger
    part: str
    owner: str
    ttl: float
    clock: Callable[[], datetime]
    _epoch: int | None = None
    _newest: int = 0
    _renewed: float = field(default=0.0)

    def lead(self) -> bool:
        """Take or keep the lead; False while another process has it."""
        now = self.clock()
        if self._epoch is not None and now.timestamp() - self._renewed < self.ttl / 3:
            return True
        with self.ledger.transaction() as tx:
            holder = tx.lease_holder(self.part)
            dead = holder is not None and holder != self.owner and is_dead(holder)
            self._epoch = tx.lease(self.part, self.owner, now, self.ttl, takeover=dead, above=self._newest)
        self._renewed = now.timestamp()
        return self._epoch is not None

    def epoch(self) -> int:
        """Give the epoch that writes carry; raises StaleEpoch without the lead."""
        if self._epoch is None:
            raise StaleEpoch(f"expected to lead {self.part}, got no lease; another orchestrator does the work")
        return self._epoch

    def lost(self, newest: int = 0) -> None:
        """Forget the lead, after a write was refused; the next one has a later epoch than the newest that was found.

        A ledger that was lost or put back begins with epochs that the event log has seen long since.
        """
        self._epoch, self._newest = None, max(self._newest, newest)


@dataclass(frozen=True, slots=True)
class FencedLedger:
    """The ledger as a leader writes it: each transaction first makes sure that the lead is still ours."""

    ledger: Ledger
    leadership: Leadership

    @contextmanager
    def transaction(self) -> Iterator[LedgerTx]:
        """Open a transaction under this lead; raises StaleEpoch when another process has taken it."""
        with self.ledger.transaction() as tx:
            current = tx.epoch_of(self.leadership.part)
            if current != self.leadership.epoch():
                raise StaleEpoch(f"expected epoch {self.leadership.epoch()} of {self.leadership.part}, got {current}")
            yield tx

    def reading(self) -> AbstractContextManager[LedgerTx]:
        """Open a transaction that only reads: that needs no lead."""
        return self.ledger.reading()

    def ready(self) -> None:
        """Raise DependencyUnreachable when the ledger cannot be read."""
        self.ledger.ready()
