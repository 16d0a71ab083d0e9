"""The upkeep of the log: rows go into the totals once their sinks are done with them, and are dropped when old."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from orchestrator.domain.events import Lane
from orchestrator.domain.room import UNBOUNDED, Held, Room
from orchestrator.eventlog.dropping import drop_rows, forget_answers, forget_keys
from orchestrator.eventlog.partitions import drop_days, make_ahead
from orchestrator.eventlog.schema import STORE, held, subscriptions
from orchestrator.eventlog.totals import settle_given_up, settle_mended, settle_rows
from orchestrator.stores import reachable, writing

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from datetime import datetime, timedelta

    from sqlalchemy import Connection, Engine

# Numbers of the log that one transaction puts into totals, and rows that it drops: whoever else wants to write waits.
SETTLED_AT_ONCE: Final = 5_000
DROPPED_AT_ONCE: Final = 2_000
# Beyond this share of the room for all, what every sink is done with goes whatever its age.
NEARLY_FULL: Final = 0.8


@dataclass(frozen=True, slots=True)
class LogKeep:
    """How long an event is kept after it was accepted, for how long its key is known after that, and in which room."""

    events: timedelta
    keys: timedelta
    room: Room = UNBOUNDED


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Does it in small steps, each a transaction of its own and true whenever it stops."""

    engine: Engine
    turn: AbstractContextManager[object]
    clock: Callable[[], datetime]
    keep: LogKeep

    def run_once(self) -> int:
        """Take one step of each kind; gives how many rows were moved on, 0 when nothing is left to do."""
        now = self.clock()
        before = now if self._nearly_full() else now - self.keep.events
        moved = sum(self._settle(sink, before) for sink in self._sinks())
        on_postgres = self.engine.dialect.name == "postgresql"
        if on_postgres:
            self._do(lambda connection: make_ahead(connection, now))
            moved += self._do(lambda connection: drop_days(connection, before, now))
        whole = not on_postgres or before == now
        moved += self._do(lambda connection: drop_rows(connection, before, now, DROPPED_AT_ONCE, whole=whole))
        moved += self._do(lambda connection: forget_keys(connection, now - self.keep.keys, DROPPED_AT_ONCE))
        return moved + self._do(lambda connection: forget_answers(connection, before, DROPPED_AT_ONCE))

    def _settle(self, sink: str, before: datetime) -> int:
        steps = [
            *(partial(settle_rows, sink=sink, lane=lane, most=SETTLED_AT_ONCE) for lane in Lane),
            partial(settle_mended, sink=sink, most=DROPPED_AT_ONCE),
            partial(settle_given_up, sink=sink, before=before, most=DROPPED_AT_ONCE),
        ]
        return sum(self._do(step) for step in steps)

    def _do(self, step: Callable[[Connection], int]) -> int:
        with reachable(STORE.name), self.turn, writing(self.engine) as connection:
            return step(connection)

    def _sinks(self) -> list[str]:
        with reachable(STORE.name), self.engine.connect() as connection:
            return sorted(connection.execute(select(subscriptions.c.sink).distinct()).scalars())

    def _nearly_full(self) -> bool:
        with reachable(STORE.name), self.engine.connect() as connection:
            holds = Held(*connection.execute(select(held.c.events, held.c.bytes)).one())
        return holds.size > self.keep.room.for_all * NEARLY_FULL
