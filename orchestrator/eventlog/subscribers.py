"""The sinks that the log knows, and how one of them is forgotten: in the log's database, and the same in memory."""
# ruff: noqa: SLF001 - in memory the log, its replays and its circuits are one store

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, exists, select, update

from orchestrator.domain.circuits import circuit_name
from orchestrator.domain.events import Lane
from orchestrator.domain.replays import ItemState
from orchestrator.eventlog.schema import (
    NOBODY,
    STORE,
    answers,
    circuits,
    cursors,
    dead_letters,
    discards,
    replay_items,
    replays,
    sampled_out,
    settled,
    subscriptions,
    totals,
    unsettled,
)
from orchestrator.eventlog.totals import take_turn
from orchestrator.stores import reachable, writing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Table

    from orchestrator.eventlog.circuits import MemoryCircuits
    from orchestrator.eventlog.replays_memory import MemoryReplays

# What makes a sink another one than a new one; each of them is found by its name at once.
# Cursors first, as a relay that takes the lead locks them.
TELLING: Final = (cursors, subscriptions, totals, dead_letters)
# Not reconciliations: the ids of the next ones follow from those that were.
OF_A_SINK: Final = (*TELLING, settled, unsettled, discards, sampled_out, answers, replay_items)


class SqlSubscribers:
    """The sinks that the log in the database at `url` knows. Safe to share between threads."""

    def __init__(self, url: str) -> None:
        self._engine = STORE.open(url)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def names(self) -> Sequence[str]:
        """List, by name, every sink that has subscribed and was not forgotten."""
        query = select(subscriptions.c.sink).distinct().order_by(subscriptions.c.sink)
        with reachable(STORE.name), self._engine.connect() as connection:
            return connection.execute(query).scalars().all()

    def knows(self, sink: str) -> bool:
        """Tell whether the log keeps anything of a sink that makes it another one than a new one."""
        with reachable(STORE.name), self._engine.connect() as connection:
            return sink != NOBODY and any(_has(connection, table, sink) for table in TELLING)

    def forget(self, sink: str, now: datetime) -> None:
        """Remove, in one commit, all that the log keeps of a sink; one of that name that comes later is a new one."""
        if sink == NOBODY:
            return
        with reachable(STORE.name), writing(self._engine) as connection:
            take_turn(connection)
            for table in OF_A_SINK:
                connection.execute(delete(table).where(table.c.sink == sink))
            names = [circuit_name(sink, lane) for lane in Lane]
            connection.execute(delete(circuits).where(circuits.c.name.in_(names)))
            waiting = exists().where(replay_items.c.replay_id == replays.c.id)
            waiting = waiting.where(replay_items.c.state == str(ItemState.WAITING))
            ended = update(replays).where(replays.c.ended_at.is_(None), ~waiting)
            connection.execute(ended.values(ended_at=now))


def _has(connection: Connection, table: Table, sink: str) -> bool:
    return connection.execute(select(table.c.sink).where(table.c.sink == sink).limit(1)).first() is not None


@dataclass(slots=True)
class MemorySubscribers:
    """The sinks that a log in memory knows: for tests, and for reading what the port means."""

    replays: MemoryReplays
    circuits: MemoryCircuits

    def names(self) -> Sequence[str]:
        """List, by name, every sink that has subscribed and was not forgotten."""
        readers = self.replays.log._readers.items()
        return sorted(name for name, reader in readers if any(reader.subscriptions.values()))

    def knows(self, sink: str) -> bool:
        """Tell whether the log keeps anything of a sink that makes it another one than a new one."""
        reader = self.replays.log._readers.get(sink)
        return reader is not None and any((sink in self.names(), reader.cursors, reader.dead))

    def forget(self, sink: str, now: datetime) -> None:
        """Remove all that the log keeps of a sink; one of that name that comes later is a new one."""
        replays, log = self.replays, self.replays.log
        with log._lock:
            log._readers.pop(sink, None)
            log._answers[:] = [each for each in log._answers if each.sink != sink]
            replays.items[:] = [each for each in replays.items if each.sink != sink]
            for place in [each for each in replays.given_up if each[0] == sink]:
                del replays.given_up[place]
            for replay in list(replays.known.values()):
                replays._end_if_done(replay, now)
        self.circuits.drop([circuit_name(sink, lane) for lane in Lane])
