"""The event log on SQLite (a file of its own) or PostgreSQL (the schema `eventlog`)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, select

from orchestrator.domain.errors import StaleEpoch
from orchestrator.domain.events import UNBOUNDED_BYTES, Appended, Lane
from orchestrator.domain.room import UNBOUNDED, Held
from orchestrator.eventlog.appending import PostgresAppender, SqliteAppender
from orchestrator.eventlog.columns import Batch
from orchestrator.eventlog.counting import counted, counted_by_hour
from orchestrator.eventlog.group import GroupCommit
from orchestrator.eventlog.reading import read_lane, read_stretch
from orchestrator.eventlog.rows import answer_from, answer_row, from_row, letter_from, letter_rows
from orchestrator.eventlog.schema import STORE, answers, cursors, dead_letters, events, held, sampled_out
from orchestrator.eventlog.subscribing import is_known, resubscribe, subscribe
from orchestrator.eventlog.totals import take_turn
from orchestrator.eventlog.upkeep import LogKeep, Upkeep
from orchestrator.failpoints import hit
from orchestrator.stores import insert_into, reachable, utc_now, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection, Executable, Table

    from orchestrator.domain.events import (
        Answer,
        DeadLetter,
        EventRecord,
        HourCounts,
        Passed,
        SinkCounts,
        StoredEvent,
        Stretch,
    )
    from orchestrator.domain.room import Room
    from orchestrator.domain.subscriptions import Subscription


class SqlEventLog:
    """The log in a database. Appends are durable when they return, and one at a time: numbers appear in their order.

    Every method raises DependencyUnreachable when the database does not answer. Safe to share between threads.
    """

    def __init__(self, url: str, clock: Callable[[], datetime] = utc_now, room: Room = UNBOUNDED) -> None:
        self._clock = clock
        self._engine = STORE.open(url)
        on_sqlite = self._engine.dialect.name == "sqlite"
        self._appender = SqliteAppender(self._engine, room) if on_sqlite else PostgresAppender(self._engine, room)
        self._turn = self._appender.turn
        self._group: GroupCommit[Batch] = GroupCommit(self._appender)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def append(self, records: Sequence[EventRecord]) -> Appended:
        """Store the records in one commit; those whose key is there already are counted and left as they are.

        Callers that come while a commit runs share the next one.
        """
        if not records:
            return Appended(new=0, duplicate=0)
        rows = self._appender.rows_of(records, self._clock())
        return self._group.append(Batch(records, rows, sum([len(each.body) for each in records])))

    def held(self) -> Held:
        """Tell how much the log holds."""
        with reachable(STORE.name), self._engine.connect() as connection:
            return Held(*connection.execute(select(held.c.events, held.c.bytes)).one())

    def read(self, lane: Lane, after: int, limit: int) -> list[StoredEvent]:
        """Give up to `limit` events of a lane that come after a sequence number, in order."""
        with reachable(STORE.name), self._engine.connect() as connection:
            return read_lane(connection, lane, after, limit)

    def stretch(
        self, lane: Lane, after: int, number: int, types: AbstractSet[str], most_bytes: int = UNBOUNDED_BYTES
    ) -> Stretch:
        """Look at the next `number` events of a lane, and give those of these types with how far all of them reach.

        It is cut behind the event with which their bodies have more than `most_bytes`.
        """
        with reachable(STORE.name), self._engine.connect() as connection:
            return read_stretch(connection, lane, after, number, types, most_bytes)

    def cursor(self, sink: str, lane: Lane) -> int:
        """Give the sequence number up to which a sink is done with a lane; 0 at first."""
        query = select(cursors.c.seq).where(cursors.c.sink == sink, cursors.c.lane == lane.value)
        with reachable(STORE.name), self._engine.connect() as connection:
            return connection.execute(query).scalar() or 0

    def advance(self, sink: str, lane: Lane, seq: int, *, epoch: int, passed: Passed) -> None:
        """Move a sink's cursor and note what it passed in one commit; it never moves back.

        Raises StaleEpoch when a later epoch has written this cursor.
        """
        letters, left_out = letter_rows(sink, passed), [{"sink": sink, "seq": each} for each in passed.sampled_out]
        with reachable(STORE.name), self._turn, writing(self._engine) as connection:
            _move(connection, sink, lane, seq, epoch)
            if letters:
                connection.execute(_unless_there(dead_letters, connection), letters)
            if left_out:
                connection.execute(_unless_there(sampled_out, connection), left_out)
            hit("cursor_moving")
        hit("cursor_moved")

    def subscribe(self, sink: str, subscription: Subscription) -> None:
        """Make a sink known, with what it takes; where it is known, nothing changes."""
        with reachable(STORE.name), self._turn, writing(self._engine) as connection:
            _wait_where_new(connection, sink)
            for lane in Lane:
                subscribe(connection, sink, lane, subscription)

    def resubscribe(self, sink: str, lane: Lane, subscription: Subscription, *, epoch: int) -> None:
        """Say what a sink takes of a lane from its cursor on; what is behind the cursor keeps the count it had.

        Raises StaleEpoch when a later epoch has written this cursor.
        """
        with reachable(STORE.name), self._turn, writing(self._engine) as connection:
            _wait_where_new(connection, sink)
            _move(connection, sink, lane, 0, epoch)
            resubscribe(connection, sink, lane, subscription)

    def find(self, key: UUID) -> StoredEvent | None:
        """Give the event that is filed under a key; None when there is none."""
        with reachable(STORE.name), self._engine.connect() as connection:
            row = connection.execute(select(events).where(events.c.key == key)).mappings().one_or_none()
            return None if row is None else from_row(row)

    def counts(self, sink: str) -> SinkCounts:
        """Count, at one moment, what became of each event for a sink."""
        with reachable(STORE.name), self._one_moment() as connection:
            return counted(connection, sink)

    def hours(self, sink: str, since: datetime, until: datetime) -> list[HourCounts]:
        """Count the same for each hour of acceptance from `since` up to `until` in which anything was accepted."""
        with reachable(STORE.name), self._one_moment() as connection:
            return counted_by_hour(connection, sink, since, until)

    def dead_letters(self, sink: str, limit: int, after: int = 0) -> list[DeadLetter]:
        """List a sink's dead letters behind a sequence number, oldest first."""
        letter = (dead_letters.c.reason, dead_letters.c.field, dead_letters.c.attempts, dead_letters.c.at)
        query = (
            select(events, *letter)
            .join(dead_letters, dead_letters.c.seq == events.c.seq)
            .where(dead_letters.c.sink == sink, events.c.seq > after)
            .order_by(events.c.seq)
            .limit(limit)
        )
        with reachable(STORE.name), self._engine.connect() as connection:
            return [letter_from(row) for row in connection.execute(query).mappings()]

    def failed_traces(self, traces: Iterable[str]) -> set[str]:
        """Tell in which of these traces an event of the log says that something failed."""
        query = select(events.c.trace).distinct().where(events.c.failed, events.c.trace.in_(list(traces)))
        with reachable(STORE.name), self._engine.connect() as connection:
            return {str(trace) for trace in connection.execute(query).scalars()}

    def note_answer(self, answer: Answer) -> None:
        """Keep what a sink answered to a batch."""
        with reachable(STORE.name), self._turn, writing(self._engine) as connection:
            connection.execute(answers.insert(), [answer_row(answer)])

    def answers(self, stored: StoredEvent) -> list[Answer]:
        """List what each sink answered to the batches that an event was in, oldest first."""
        query = select(answers).where(
            answers.c.lane == stored.record.lane.value, answers.c.first <= stored.seq, answers.c.last >= stored.seq
        )
        with reachable(STORE.name), self._engine.connect() as connection:
            return [answer_from(row) for row in connection.execute(query.order_by(answers.c.id)).mappings()]

    def upkeep(self, keep: LogKeep) -> Upkeep:
        """Make what keeps the counts cheap and lets go of what nobody needs."""
        return Upkeep(self._engine, self._turn, self._clock, keep)

    @contextmanager
    def _one_moment(self) -> Iterator[Connection]:
        """Open a connection that sees one moment of the database all along."""
        on_sqlite = self._engine.dialect.name == "sqlite"
        engine = self._engine if on_sqlite else self._engine.execution_options(isolation_level="REPEATABLE READ")
        with engine.connect() as connection:
            yield connection

    def ready(self) -> None:
        """Raise DependencyUnreachable when the log cannot be read."""
        with reachable(STORE.name), self._engine.connect() as connection:
            connection.execute(select(events.c.seq).limit(1))


def _wait_where_new(connection: Connection, sink: str) -> None:
    """Wait until nothing is being dropped: what goes while a new sink comes would be in none of its totals and rows."""
    if not is_known(connection, sink):
        take_turn(connection)


def _unless_there(table: Table, connection: Connection) -> Executable:
    return insert_into(table, connection.dialect).on_conflict_do_nothing()


def _move(connection: Connection, sink: str, lane: Lane, seq: int, epoch: int) -> None:
    """Move a cursor, never back; the row stays locked until the transaction ends."""
    if _moved(connection, {"sink": sink, "lane": lane.value, "seq": seq, "epoch": epoch}):
        return
    here = select(cursors.c.epoch).where(cursors.c.sink == sink, cursors.c.lane == lane.value)
    newest: int = connection.execute(here).scalar_one()
    raise StaleEpoch(f"expected epoch {newest} of {sink}/{lane.value} or a later one, got {epoch}", newest)


def _moved(connection: Connection, position: Mapping[str, Any]) -> bool:
    fresh = insert_into(cursors, connection.dialect).values(position)
    furthest = case((cursors.c.seq > fresh.excluded.seq, cursors.c.seq), else_=fresh.excluded.seq)
    move = fresh.on_conflict_do_update(
        index_elements=[cursors.c.sink, cursors.c.lane],
        set_={"seq": furthest, "epoch": fresh.excluded.epoch},
        where=cursors.c.epoch <= fresh.excluded.epoch,
    )
    return connection.execute(move).rowcount == 1
