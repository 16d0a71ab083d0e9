"""From the log to the warehouse's reader: how long an accepted event takes until a query finds its row."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import errors

from loadtests.forwarding.relays import RelayOf

if TYPE_CHECKING:
    from datetime import datetime

    from loadtests.processes import Processes

LOOK_SECONDS: Final = 0.02
WAIT_SECONDS: Final = 120.0
NEW: Final = "SELECT id, created_at FROM model_cost_logs WHERE created_at >= %s"
LONG_AGO: Final = "1970-01-01T00:00:00+00:00"
# The relay takes a moment to start, and the first batches a new connection.
WARM_UP: Final = 0.1


@dataclass(slots=True)
class Reader:
    """Looks for new rows again and again; `latencies` are seconds from the event's time to the look that found it."""

    latencies: list[float] = field(default_factory=list)
    _since: datetime | str = LONG_AGO
    _seen: frozenset[str] = frozenset()

    def look(self, server: psycopg.Connection) -> None:
        """Look once for rows from the newest time on; those of that very time may be known already."""
        rows = _rows(server, self._since)
        now = time.time()
        fresh = [at for key, at in rows if key not in self._seen]
        self.latencies += [now - at.timestamp() for at in fresh]
        if fresh:
            newest = max(fresh)
            self._since, self._seen = newest, frozenset(key for key, at in rows if at == newest)


def _rows(server: psycopg.Connection, since: datetime | str) -> list[tuple[str, datetime]]:
    try:
        return [(str(key), at) for key, at in server.execute(NEW, (since,))]
    except errors.UndefinedTable:
        return []


def measured(processes: Processes, warehouse: str, rate: int, seconds: float) -> list[float]:
    """Append at a steady rate while a relay loads and a reader looks; gives the latencies, the first few left out."""
    events, log = int(rate * seconds), f"sqlite:///{processes.folder / 'queryable.sqlite'}"
    relay = RelayOf("loading", log, warehouse).start(processes)
    processes.await_ready(relay)
    options = ["--log", log, "--events", str(events), "--seed", "0", "--rate", str(rate)]
    filling = processes.start("feeding", ["-m", "loadtests.inside.filling", *options])
    reader, deadline = Reader(), time.monotonic() + WAIT_SECONDS + seconds
    with psycopg.connect(warehouse, autocommit=True) as server:
        while len(reader.latencies) < events:
            reader.look(server)
            if time.monotonic() > deadline or relay.popen.poll() is not None:
                raise TimeoutError(f"expected {events} rows in the warehouse, got {len(reader.latencies)}")
            time.sleep(LOOK_SECONDS)
    processes.stop(filling)
    processes.stop(relay)
    return reader.latencies[int(events * WARM_UP) :]
