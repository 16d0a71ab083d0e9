"""Reconciliations as rows, in the log's database; and the same in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, true, update

from orchestrator.domain.conservation import Given, Reconciliation
from orchestrator.domain.replays import Selection, Standing
from orchestrator.eventlog.schema import STORE, events, reconciliations
from orchestrator.eventlog.selecting import chosen, standing
from orchestrator.stores import insert_into, reachable, writing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Executable, RowMapping

    from orchestrator.domain.replays import Replays

COLUMNS: Final = tuple(each.name for each in fields(Reconciliation))
MOST_IN_MEMORY: Final = 1_000_000


class SqlReconciliations:
    """Reconciliations in the database of the log at `url`. Safe to share between threads."""

    def __init__(self, url: str) -> None:
        self._engine = STORE.open(url)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def ask(self, asked: Reconciliation) -> None:
        """Keep one to be done; one of that id that is there already stays as it is."""
        with reachable(STORE.name), writing(self._engine) as connection:
            fresh = insert_into(reconciliations, connection.dialect).values(_row(asked))
            connection.execute(fresh.on_conflict_do_nothing())

    def next(self) -> Reconciliation | None:
        """Give the one that has waited longest."""
        waiting = select(reconciliations).where(reconciliations.c.done_at.is_(None))
        return self._first(waiting.order_by(reconciliations.c.asked_at, reconciliations.c.id).limit(1))

    def finish(self, done: Reconciliation) -> None:
        """Keep its result."""
        with reachable(STORE.name), writing(self._engine) as connection:
            connection.execute(update(reconciliations).where(reconciliations.c.id == done.id).values(_row(done)))

    def last(self, sink: str, actor: str | None = None) -> Reconciliation | None:
        """Give a sink's newest one, of those that this actor asked for, done or not."""
        by = true() if actor is None else reconciliations.c.actor == actor
        mine = select(reconciliations).where(reconciliations.c.sink == sink, by)
        return self._first(mine.order_by(reconciliations.c.asked_at.desc()).limit(1))

    def last_done(self, sink: str) -> Reconciliation | None:
        """Give the one of a sink that was done last."""
        mine = select(reconciliations).where(reconciliations.c.sink == sink, reconciliations.c.done_at.is_not(None))
        return self._first(mine.order_by(reconciliations.c.done_at.desc()).limit(1))

    def _first(self, query: Executable) -> Reconciliation | None:
        with reachable(STORE.name), self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
            return None if row is None else _from_row(row)

    def newest(self, limit: int) -> list[Reconciliation]:
        """List the newest, newest first."""
        query = select(reconciliations).order_by(reconciliations.c.asked_at.desc(), reconciliations.c.id).limit(limit)
        with reachable(STORE.name), self._engine.connect() as connection:
            return [_from_row(row) for row in connection.execute(query).mappings()]

    def given(self, asked: Reconciliation, after: int, limit: int) -> Sequence[Given]:
        """List what counts as delivered of its hours, behind a sequence number, in the order of the log."""
        hours = chosen(Selection(since=asked.since, until=asked.until))
        with reachable(STORE.name), self._engine.connect() as connection:
            delivered = standing(connection, asked.sink) == str(Standing.DELIVERED)
            query = select(events.c.seq, events.c.key).where(hours, delivered, events.c.seq > after)
            return [Given(seq, key) for seq, key in connection.execute(query.order_by(events.c.seq).limit(limit))]


@dataclass(slots=True)
class MemoryReconciliations:
    """Reconciliations in memory, beside the replays in memory: for tests, and for reading what the port means."""

    replays: Replays
    known: dict[UUID, Reconciliation] = field(default_factory=dict)

    def ask(self, asked: Reconciliation) -> None:
        """Keep one to be done; one of that id that is there already stays as it is."""
        self.known.setdefault(asked.id, asked)

    def next(self) -> Reconciliation | None:
        """Give the one that has waited longest."""
        waiting = (each for each in self.known.values() if each.done_at is None)
        return min(waiting, key=lambda each: each.asked_at, default=None)

    def finish(self, done: Reconciliation) -> None:
        """Keep its result."""
        self.known[done.id] = done

    def last(self, sink: str, actor: str | None = None) -> Reconciliation | None:
        """Give a sink's newest one, of those that this actor asked for, done or not."""
        mine = (each for each in self.known.values() if each.sink == sink and actor in {None, each.actor})
        return max(mine, key=lambda each: each.asked_at, default=None)

    def last_done(self, sink: str) -> Reconciliation | None:
        """Give the one of a sink that was done last."""
        mine = [(each.done_at, each) for each in self.known.values() if each.sink == sink and each.done_at]
        return max(mine, key=lambda pair: pair[0])[1] if mine else None

    def newest(self, limit: int) -> list[Reconciliation]:
        """List the newest, newest first."""
        return sorted(self.known.values(), key=lambda each: each.asked_at, reverse=True)[:limit]

    def given(self, asked: Reconciliation, after: int, limit: int) -> Sequence[Given]:
        """List what counts as delivered of its hours, behind a sequence number, in the order of the log."""
        found = self.replays.events(Selection(since=asked.since, until=asked.until), MOST_IN_MEMORY)[::-1]
        stands = self.replays.standings(asked.sink, [each.seq for each in found])
        delivered = [each for each in found if each.seq > after and stands[each.seq] is Standing.DELIVERED]
        return [Given(each.seq, each.record.key) for each in delivered[:limit]]


def _row(asked: Reconciliation) -> dict[str, Any]:
    return {name: getattr(asked, name) for name in COLUMNS}


def _from_row(row: RowMapping) -> Reconciliation:
    return Reconciliation(**{name: row[name] for name in COLUMNS})
