"""A worker's sign of life: WORKER_SEEN every few seconds from its main process, and once more when it ends well.

beat = Heartbeat(
    "celery@host", boot, children=lambda: pids_of(pool), in_flight=lambda: len(active_requests),
    spool_bytes=lambda: publisher.waiting_bytes,
)
publisher.attach(beat.due)
...
publisher.publish(beat.stopped())
"""

from __future__ import annotations

import os
import socket
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from eventbus import wire
from eventbus.event_ids import event_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

EVERY_SECONDS: Final = 5.0


class Heartbeat:
    """Makes the events of one start (`boot`, a uuid) of a worker; `clock` gives seconds that only grow."""

    def __init__(  # noqa: PLR0913 - each is something that it asks the worker, by name
        self,
        worker: str,
        boot: str,
        *,
        children: Callable[[], Iterable[int]],
        in_flight: Callable[[], int],
        spool_bytes: Callable[[], int] = lambda: 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._children = children
        self._in_flight = in_flight
        self._spool_bytes = spool_bytes
        self._clock = clock
        self._pid = os.getpid()
        self._due_at = float("-inf")
        self._stopped = False
        self._who = {
            "worker": worker,
            "host": socket.gethostname(),
            "pid": self._pid,
            "boot": boot,
            "started_at": datetime.now(UTC).isoformat(),
        }

    def due(self) -> wire.Event | None:
        """Give the event that is due now, at once the first time; None in between, in forked children, and at the end.

        A pool whose processes cannot be listed counts as one without any.
        """
        if self._stopped or os.getpid() != self._pid or self._clock() < self._due_at:
            return None
        self._due_at = self._clock() + EVERY_SECONDS
        return self._event("running")

    def stopped(self) -> wire.Event:
        """Give the event that tells of a clean end; none is due afterwards."""
        self._stopped = True
        return self._event("stopped")

    def _event(self, state: str) -> wire.Event:
        now = datetime.now(UTC)
        data = {
            **self._who,
            "state": state,
            "seen_at": now.isoformat(),
            "children": sorted(_told(self._children, ())),
            "in_flight": _told(self._in_flight, 0),
            "spool_bytes": _told(self._spool_bytes, 0),
            "every_seconds": EVERY_SECONDS,
        }
        return wire.Event(event_id(), f"urn:redrive:worker:{self._who['worker']}", wire.WORKER_SEEN, now, data)


def _told(ask: Callable[[], Any], otherwise: Any) -> Any:  # noqa: ANN401 - whatever the one asked gives
    """Ask the worker of itself; while it starts or ends, what it would tell may be half made."""
    try:
        return ask()
    except Exception:  # noqa: BLE001 - a sign of life comes, whatever it can tell
        return otherwise
