"""Which events of the log an operator means, as conditions; and how events stand with a sink."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, case, exists, literal, or_, select, true, union_all

from orchestrator.domain.replays import ItemState, Standing
from orchestrator.eventlog.counting import COUNTS, conditions
from orchestrator.eventlog.schema import dead_letters, discards, events, replay_items

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, Select, Subquery

    from orchestrator.domain.replays import Selection

# A keys condition holds so many at most: SQLite takes 32,766 values in a statement, PostgreSQL 65,535.
MOST_KEYS: Final = 10_000


def chosen(selection: Selection) -> ColumnElement[bool]:
    """Say which events a selection means, whatever became of them."""
    parts = [
        None if selection.since is None else events.c.accepted_at >= selection.since,
        None if selection.until is None else events.c.accepted_at < selection.until,
        None if selection.type is None else events.c.type == selection.type,
        None if selection.keys is None else events.c.key.in_(sorted(selection.keys)[:MOST_KEYS]),
    ]
    return and_(true(), *(part for part in parts if part is not None))


def standing(connection: Connection, sink: str) -> ColumnElement[str]:
    """Say how an event stands with a sink, by the very conditions that the counts are made of."""
    known = dict(zip(COUNTS, conditions(connection, sink), strict=True))
    # Dead before delivered: a dead letter that shows in no sum must not hide.
    order = (Standing.FILTERED, Standing.SAMPLED_OUT, Standing.DEAD, Standing.DELIVERED, Standing.PENDING)
    return case(*((known[each], literal(str(each))) for each in order), else_=literal(str(Standing.PENDING)))


def to_send(connection: Connection, selection: Selection, sinks: Sequence[str]) -> Subquery:
    """Select sink and place of what a replay of this selection sends: nothing that waits in another one."""
    wanted = [each for each in sinks if selection.sink in {None, each}]
    parts = [_letters(selection, wanted)] if selection.dead else _delivered(connection, selection, wanted)
    return union_all(*(parts or [_letters(selection, [])])).subquery()


def _letters(selection: Selection, sinks: Sequence[str]) -> Select[tuple[str, int]]:
    return (
        select(dead_letters.c.sink.label("sink"), dead_letters.c.seq.label("seq"))
        .join(events, events.c.seq == dead_letters.c.seq)
        .where(chosen(selection), dead_letters.c.sink.in_(sinks), ~given_up(), ~waits(dead_letters.c.sink))
    )


def _delivered(connection: Connection, selection: Selection, sinks: Sequence[str]) -> list[Select[tuple[str, int]]]:
    return [
        select(literal(sink).label("sink"), events.c.seq.label("seq")).where(
            chosen(selection), standing(connection, sink) == str(Standing.DELIVERED), ~waits(literal(sink))
        )
        for sink in sinks
    ]


def given_up() -> ColumnElement[bool]:
    """Say that somebody has discarded a dead letter."""
    return exists().where(discards.c.sink == dead_letters.c.sink, discards.c.seq == dead_letters.c.seq)


def waits(sink: ColumnElement[str]) -> ColumnElement[bool]:
    """Say that an event waits to be sent again to a sink."""
    waiting = replay_items.c.state == str(ItemState.WAITING)
    return exists().where(replay_items.c.seq == events.c.seq, replay_items.c.sink == sink, waiting)


def in_front(before: tuple[int, str] | None) -> ColumnElement[bool]:
    """Say that a dead letter comes behind this place and sink on a page that begins with the newest."""
    if before is None:
        return true()
    seq, sink = before
    return or_(events.c.seq < seq, and_(events.c.seq == seq, dead_letters.c.sink > sink))
