"""The totals of a sink: what its rows come to, so that they need not be counted again, and may be dropped.

A row is in the totals from the moment on at which nothing changes for it any more: its sink's cursor has passed it, and
it is no dead letter. Dead letters are left out by name (`unsettled`) until they were delivered after all, or given up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, delete, func, literal, select, text

from orchestrator.domain.events import Lane
from orchestrator.eventlog.counting import hour_of, marks, moment_of, place, sums_of
from orchestrator.eventlog.schema import (
    COUNTED,
    cursors,
    dead_letters,
    discards,
    events,
    settled,
    totals,
    unsettled,
)
from orchestrator.stores import insert_into

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

# On PostgreSQL one at a time changes what is in the totals; SQLite has one writer anyhow.
# Whoever takes several of the log's locks takes them in this order, or there are deadlocks: this turn, before events
# are read or anything is written; the appenders' lock; a table of events for itself; the row of `held`.
SETTLING: Final = text("SELECT pg_advisory_xact_lock(hashtext('redrive.eventlog.settle'))")


def take_turn(connection: Connection) -> None:
    """Wait until nobody else changes what is in the totals; until the end of the transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(SETTLING)


def settle_rows(connection: Connection, sink: str, lane: Lane, most: int) -> int:
    """Put the next rows that a cursor has passed into the totals; gives how far it came, in numbers of the log."""
    take_turn(connection)
    done, at = place(connection, settled, sink, lane), place(connection, cursors, sink, lane)
    until = min(at, done + most)
    if until <= done:
        return 0
    these = and_(events.c.lane == lane.value, events.c.seq > done, events.c.seq <= until)
    letters = select(literal(sink), events.c.seq).join(dead_letters, dead_letters.c.seq == events.c.seq)
    letters = letters.where(these, dead_letters.c.sink == sink)
    connection.execute(insert_into(unsettled, connection.dialect).from_select(["sink", "seq"], letters))
    _sum_up(connection, sink, and_(these, ~_left_out(sink)))
    fresh = insert_into(settled, connection.dialect).values(sink=sink, lane=lane.value, seq=until)
    connection.execute(fresh.on_conflict_do_update(index_elements=["sink", "lane"], set_={"seq": until}))
    return until - done


def settle_mended(connection: Connection, sink: str, most: int) -> int:
    """Put into the totals what was a dead letter and has been delivered since."""
    take_turn(connection)
    letter = select(literal(1)).where(dead_letters.c.sink == sink, dead_letters.c.seq == unsettled.c.seq)
    mended = select(unsettled.c.seq).where(unsettled.c.sink == sink, ~letter.exists()).limit(most)
    return _settle_named(connection, sink, list(connection.execute(mended).scalars()), "delivered")


def settle_given_up(connection: Connection, sink: str, before: datetime, most: int) -> int:
    """Put into the totals, as dead, the dead letters that were given up and are old enough to be dropped."""
    take_turn(connection)
    old = (
        select(discards.c.seq)
        .join(events, events.c.seq == discards.c.seq)
        .join(unsettled, and_(unsettled.c.sink == sink, unsettled.c.seq == discards.c.seq))
        .join(dead_letters, and_(dead_letters.c.sink == sink, dead_letters.c.seq == discards.c.seq))
        .where(discards.c.sink == sink, events.c.accepted_at < before)
    )
    seqs = list(connection.execute(old.limit(most)).scalars())
    found = _settle_named(connection, sink, seqs, "dead")
    for table in (dead_letters, discards):
        connection.execute(delete(table).where(table.c.sink == sink, table.c.seq.in_(seqs)))
    return found


def unsettle(connection: Connection, sink: str, seq: int) -> None:
    """Take an event out of the totals, since it is about to become a dead letter; nothing where it is in none."""
    take_turn(connection)
    lane = connection.execute(select(events.c.lane).where(events.c.seq == seq)).scalar()
    named = select(unsettled.c.seq).where(unsettled.c.sink == sink, unsettled.c.seq == seq)
    if lane is None or seq > place(connection, settled, sink, Lane(lane)) or connection.execute(named).scalar():
        return
    _sum_up(connection, sink, events.c.seq == seq, sign=-1)
    connection.execute(unsettled.insert().values(sink=sink, seq=seq))


def _settle_named(connection: Connection, sink: str, seqs: list[int], state: str) -> int:
    if seqs:
        _sum_up(connection, sink, events.c.seq.in_(seqs), state)
        connection.execute(delete(unsettled).where(unsettled.c.sink == sink, unsettled.c.seq.in_(seqs)))
    return len(seqs)


def _sum_up(
    connection: Connection, sink: str, these: ColumnElement[bool], state: str = "delivered", sign: int = 1
) -> None:
    """Add rows to the totals; those of them that were routed are all `state`."""
    known, by = marks(connection, sink), (events.c.lane, hour_of(connection.dialect.name).label("hour"))
    query = select(*by, *sums_of(known), func.count().filter(known.routed).label(state)).where(these).group_by(*by)
    for row in connection.execute(query).mappings().all():
        add(connection, sink, row["lane"], moment_of(row["hour"]), {name: sign * row.get(name, 0) for name in COUNTED})


def add(connection: Connection, sink: str, lane: str, hour: datetime, sums: Mapping[str, int]) -> None:
    """Add to a sink's total of a lane and hour."""
    values = {name: sums.get(name, 0) for name in COUNTED}
    fresh = insert_into(totals, connection.dialect).values(sink=sink, lane=lane, hour=hour, **values)
    more: dict[str, Any] = {name: totals.c[name] + fresh.excluded[name] for name in COUNTED}
    connection.execute(fresh.on_conflict_do_update(index_elements=["sink", "lane", "hour"], set_=more))


def _left_out(sink: str) -> ColumnElement[bool]:
    return select(literal(1)).where(unsettled.c.sink == sink, unsettled.c.seq == events.c.seq).exists()
