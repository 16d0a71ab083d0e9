"""Dropping rows that every sink is done with: what they come to stays in the totals, their keys for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import MetaData, and_, delete, false, func, literal, or_, select, update

from orchestrator.domain.events import Lane
from orchestrator.domain.replays import ItemState
from orchestrator.domain.room import Held
from orchestrator.eventlog.counting import hour_of, moment_of, place
from orchestrator.eventlog.schema import (
    NOBODY,
    answers,
    discards,
    events,
    held,
    past_keys,
    replay_items,
    sampled_out,
    settled,
    subscriptions,
    unsettled,
)
from orchestrator.eventlog.totals import add, take_turn
from orchestrator.stores import insert_into

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Table

# What is in no partition of a day, on PostgreSQL.
DEFAULT: Final = events.to_metadata(MetaData(), name="events_default")


def drop_rows(connection: Connection, before: datetime, now: datetime, most: int, *, whole: bool) -> int:
    """Drop the oldest rows that may go, of the `whole` log or of the default partition; gives their number."""
    take_turn(connection)
    table, places = events if whole else DEFAULT, done_everywhere(connection)
    seqs = [seq for lane in places for seq in _oldest(connection, table, lane, places[lane], before, most)]
    if seqs:
        these = events.c.seq.in_(seqs)
        going = carry_over(connection, these, now)
        connection.execute(delete(events).where(these))
        forget_beside(connection, seqs)
        make_room(connection, going)
    return len(seqs)


def done_everywhere(connection: Connection) -> dict[Lane, int]:
    """Give for each lane the place up to which its rows are in the totals of every sink; nothing without a sink."""
    sinks = _sinks(connection)
    return {lane: min(place(connection, settled, sink, lane) for sink in sinks) for lane in Lane if sinks}


def _oldest(  # noqa: PLR0913, PLR0917 - which rows, of what, and how many
    connection: Connection, table: Table, lane: Lane, until: int, before: datetime, most: int
) -> Sequence[int]:
    """List the oldest rows of a lane that may go. They are nearly in the order of age: a young one ends it."""
    free = table.c.seq.not_in(select(unsettled.c.seq))
    first = select(table.c.seq, table.c.accepted_at).where(table.c.lane == lane.value, table.c.seq <= until, free)
    oldest = first.order_by(table.c.seq).limit(most).subquery()
    query = select(oldest.c.seq).where(oldest.c.accepted_at < before, ~_waits(oldest.c.seq))
    return connection.execute(query).scalars().all()


def may_go(connection: Connection) -> ColumnElement[bool]:
    """Say that a row is in the totals of every sink, and is not to be sent again."""
    places = done_everywhere(connection)
    behind = or_(false(), *(and_(events.c.lane == lane.value, events.c.seq <= seq) for lane, seq in places.items()))
    return and_(behind, events.c.seq.not_in(select(unsettled.c.seq)), ~_waits(events.c.seq))


def _waits(seq: ColumnElement[int]) -> ColumnElement[bool]:
    waiting = replay_items.c.state == str(ItemState.WAITING)
    return select(literal(1)).where(replay_items.c.seq == seq, waiting).exists()


def _sinks(connection: Connection) -> list[str]:
    return list(connection.execute(select(subscriptions.c.sink).distinct()).scalars())


def carry_over(connection: Connection, these: ColumnElement[bool], now: datetime) -> Held:
    """Keep of rows that go what stays: how many they were, by hour, and their keys; gives the room that they take."""
    by = (events.c.lane, hour_of(connection.dialect.name).label("hour"))
    for lane, hour, count in connection.execute(select(*by, func.count()).where(these).group_by(*by)).all():
        add(connection, NOBODY, lane, moment_of(hour), {"accepted": count, "filtered": count})
    keys = select(events.c.key, literal(now, past_keys.c.dropped_at.type)).where(these)
    known = insert_into(past_keys, connection.dialect).from_select(["key", "dropped_at"], keys)
    connection.execute(known.on_conflict_do_nothing())
    size = select(func.count(), func.coalesce(func.sum(func.length(events.c.body)), 0)).where(these)
    return Held(*connection.execute(size).one())


def make_room(connection: Connection, gone: Held) -> None:
    """Say that the log holds so much less. Appends wait from here on: the last thing that a transaction does."""
    connection.execute(update(held).values(events=held.c.events - gone.events, bytes=held.c.bytes - gone.bytes))


def forget_beside(connection: Connection, seqs: list[int]) -> None:
    """Drop what other tables say of rows that are gone."""
    connection.execute(delete(replay_items).where(replay_items.c.seq.in_(seqs)))
    for table in (sampled_out, discards):
        connection.execute(delete(table).where(table.c.sink.in_(_sinks(connection)), table.c.seq.in_(seqs)))


def forget_keys(connection: Connection, before: datetime, most: int) -> int:
    """Drop the oldest keys of rows that went before this time."""
    old = select(past_keys.c.key).where(past_keys.c.dropped_at < before).order_by(past_keys.c.dropped_at).limit(most)
    return connection.execute(delete(past_keys).where(past_keys.c.key.in_(old))).rowcount


def forget_answers(connection: Connection, before: datetime, most: int) -> int:
    """Drop the oldest answers of sinks, from before this time."""
    first: Any = select(answers.c.id).order_by(answers.c.id).limit(most)
    return connection.execute(delete(answers).where(answers.c.id.in_(first), answers.c.at < before)).rowcount
