"""The event log on SQLite (a file of its own) or PostgreSQL (the schema `eventlog`)."""

from __future__ import annotations

from contextlib import nullcontext
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Integer, case, func, literal, select, text

from orchestrator.domain.errors import StaleEpoch
from orchestrator.domain.events import Appended, SinkCounts
from orchestrator.eventlog.rows import from_row, to_row
from orchestrator.eventlog.schema import STORE, cursors, dead_letters, events
from orchestrator.stores import insert_into, reachable, writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Executable, Table
    from sqlalchemy.sql.elements import ColumnElement

    from orchestrator.domain.events import EventRecord, Lane, StoredEvent

# The one lock under which PostgreSQL hands out numbers; it is held until the commit is visible.
APPENDING: Final = text("SELECT pg_advisory_xact_lock(hashtext('redrive.eventlog.append'))")


class SqlEventLog:
    """The log in a database. Appends are durable when they return, and one at a time: numbers appear in their order.

    Every method raises DependencyUnreachable when the database does not answer. Safe to share between threads.
    """

    def __init__(self, url: str) -> None:
        self._engine = STORE.open(url)
        # SQLite has one writer: its own waiting is by sleeps. PostgreSQL makes them wait by itself.
        self._turn = Lock() if self._engine.dialect.name == "sqlite" else nullcontext()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def append(self, records: Sequence[EventRecord]) -> Appended:
        """Store the records in one commit; those whose key is there already are counted and left as they are."""
        if not records:
            return Appended(new=0, duplicate=0)
        rows = [to_row(record) for record in records]
        with reachable(STORE.name), self._turn, writing(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(APPENDING)
            new = connection.execute(_unless_there(events, connection), rows).rowcount
        return Appended(new=new, duplicate=len(rows) - new)

    def read(self, lane: Lane, after: int, limit: int) -> list[StoredEvent]:
        """Give up to `limit` events of a lane that come after a sequence number, in order."""
        query = select(events).where(events.c.lane == lane.value, events.c.seq > after)
        with reachable(STORE.name), self._engine.connect() as connection:
            rows = connection.execute(query.order_by(events.c.seq).limit(limit)).mappings()
            return [from_row(row) for row in rows]

    def cursor(self, sink: str, lane: Lane) -> int:
        """Give the sequence number up to which a sink is done with a lane; 0 at first."""
        query = select(cursors.c.seq).where(cursors.c.sink == sink, cursors.c.lane == lane.value)
        with reachable(STORE.name), self._engine.connect() as connection:
            return connection.execute(query).scalar() or 0

    def advance(self, sink: str, lane: Lane, seq: int, *, epoch: int, dead: Mapping[int, str]) -> None:
        """Move a cursor and file its dead letters in one commit; it never moves back.

        Raises StaleEpoch when a later epoch has written this cursor.
        """
        letters = [{"sink": sink, "seq": number, "reason": reason} for number, reason in sorted(dead.items())]
        with reachable(STORE.name), self._turn, writing(self._engine) as connection:
            if not _moved(connection, {"sink": sink, "lane": lane.value, "seq": seq, "epoch": epoch}):
                raise StaleEpoch(f"expected the newest epoch of {sink}/{lane.value}, got {epoch}; another one leads")
            if letters:
                connection.execute(_unless_there(dead_letters, connection), letters)

    def counts(self, sink: str, types: Iterable[str]) -> SinkCounts:
        """Count, in one statement and so at one moment, what became of each event for a sink that takes these types."""
        query = select(*(column.scalar_subquery() for column in _counted(sink, sorted(types))))
        with reachable(STORE.name), self._engine.connect() as connection:
            accepted, filtered, routed, delivered, pending, dead = connection.execute(query).one()
        return SinkCounts(accepted, filtered, 0, routed, delivered, pending, dead)

    def dead_letters(self, sink: str, limit: int) -> list[tuple[StoredEvent, str]]:
        """List a sink's dead letters with their reasons, oldest first."""
        query = (
            select(events, dead_letters.c.reason)
            .join(dead_letters, dead_letters.c.seq == events.c.seq)
            .where(dead_letters.c.sink == sink)
            .order_by(events.c.seq)
            .limit(limit)
        )
        with reachable(STORE.name), self._engine.connect() as connection:
            return [(from_row(row), row["reason"]) for row in connection.execute(query).mappings()]

    def ready(self) -> None:
        """Raise DependencyUnreachable when the log cannot be read."""
        with reachable(STORE.name), self._engine.connect() as connection:
            connection.execute(select(events.c.seq).limit(1))


def _unless_there(table: Table, connection: Connection) -> Executable:
    return insert_into(table, connection.dialect).on_conflict_do_nothing()


def _moved(connection: Connection, position: Mapping[str, Any]) -> bool:
    fresh = insert_into(cursors, connection.dialect).values(position)
    furthest = case((cursors.c.seq > fresh.excluded.seq, cursors.c.seq), else_=fresh.excluded.seq)
    move = fresh.on_conflict_do_update(
        index_elements=[cursors.c.sink, cursors.c.lane],
        set_={"seq": furthest, "epoch": fresh.excluded.epoch},
        where=cursors.c.epoch <= fresh.excluded.epoch,
    )
    return connection.execute(move).rowcount == 1


def _counted(sink: str, types: Sequence[str]) -> list[Any]:
    """Give one query for each count; each counts rows of its own, none is what the others leave."""
    wanted = events.c.type.in_(types)
    letters = select(literal(1)).where(dead_letters.c.sink == sink, dead_letters.c.seq == events.c.seq)
    behind = events.c.seq <= _cursor_of(sink)
    everything = select(func.count()).select_from(events)
    return [
        everything,
        everything.where(~wanted),
        everything.where(wanted),
        everything.where(wanted, behind, ~letters.exists()),
        everything.where(wanted, ~behind),
        select(func.count()).select_from(dead_letters).where(dead_letters.c.sink == sink),
    ]


def _cursor_of(sink: str) -> ColumnElement[int]:
    at = select(cursors.c.seq).where(cursors.c.sink == sink, cursors.c.lane == events.c.lane)
    return func.coalesce(at.scalar_subquery(), literal(0, Integer))
