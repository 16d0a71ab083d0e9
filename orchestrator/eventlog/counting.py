"""The counts of guarantee 2, each counted from rows of its own; none is what the others leave."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, and_, false, func, literal, or_, select

from orchestrator.domain.events import HourCounts, Lane, SinkCounts
from orchestrator.eventlog.schema import (
    COUNTED,
    NOBODY,
    cursors,
    dead_letters,
    events,
    sampled_out,
    settled,
    subscriptions,
    totals,
    unsettled,
)
from orchestrator.eventlog.subscribing import history

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Table

    from orchestrator.domain.subscriptions import Subscription

COUNTS: Final = ("accepted", "filtered", "sampled_out", "routed", "delivered", "pending", "dead")
Sums = dict[str, int]


@dataclass(frozen=True, slots=True)
class Marks:
    """What an event's row is for a sink, each as a condition."""

    takes: ColumnElement[bool]
    left_out: ColumnElement[bool]
    dead: ColumnElement[bool]

    @property
    def routed(self) -> ColumnElement[bool]:
        """Say that the event was to go to the sink."""
        return and_(self.takes, ~self.left_out)


def counted(connection: Connection, sink: str) -> SinkCounts:
    """Count what became of each event for a sink: rows one by one, and the totals of those that were before.

    The connection must see one moment of the database all along.
    """
    found: defaultdict[Any, Sums] = defaultdict(lambda: dict.fromkeys(COUNTS, 0))
    sums = [func.coalesce(func.sum(totals.c[name]), 0).label(name) for name in COUNTED]
    _add(
        found[None],
        connection.execute(select(*sums).where(totals.c.sink == _filed_under(connection, sink))).mappings().one(),
    )
    for row in _of_rows(connection, sink):
        _add(found[None], row)
    return SinkCounts(**found[None])


def counted_by_hour(connection: Connection, sink: str, since: datetime, until: datetime) -> list[HourCounts]:
    """Count the same for each hour of acceptance in which anything was accepted."""
    found: defaultdict[datetime, Sums] = defaultdict(lambda: dict.fromkeys(COUNTS, 0))
    here = (totals.c.sink == _filed_under(connection, sink), totals.c.hour >= since, totals.c.hour < until)
    frozen = select(totals.c.hour, *(totals.c[name] for name in COUNTED)).where(*here)
    for total in connection.execute(frozen).mappings():
        _add(found[total["hour"]], total)
    inside = and_(events.c.accepted_at >= since, events.c.accepted_at < until)
    for row in _of_rows(connection, sink, hour_of(connection.dialect.name), inside):
        _add(found[moment_of(row["hour"])], row)
    return [HourCounts(hour, SinkCounts(**sums)) for hour, sums in sorted(found.items()) if sums["accepted"]]


def _add(sums: Sums, row: Mapping[Any, Any]) -> None:
    for name, value in row.items():
        if name in sums:
            sums[name] += int(value)  # PostgreSQL sums whole numbers to a NUMERIC


def _filed_under(connection: Connection, sink: str) -> str:
    """Name the totals of a sink; for one that has never subscribed those of what was dropped, filtered all of it."""
    known = connection.execute(select(subscriptions.c.sink).where(subscriptions.c.sink == sink).limit(1)).scalar()
    return known or NOBODY


def _of_rows(
    connection: Connection, sink: str, hour: ColumnElement[str] | None = None, inside: ColumnElement[bool] | None = None
) -> Iterator[Mapping[Any, Any]]:
    """Count the rows that are in no total yet: behind the cursors, in front of them, and the dead."""
    known, by = _cheaply(connection, sink), [] if hour is None else [hour.label("hour")]
    within = literal(value=True) if inside is None else inside
    for where, behind in _parts(connection, sink):
        delivered = [func.count().filter(and_(known.routed, ~known.dead)).label("delivered")] if behind else []
        query = select(*by, *sums_of(known), *delivered).where(where, within).group_by(*by)
        for row in connection.execute(query).mappings():
            # in front of the cursor all that is routed is pending: the one condition is both
            yield row if behind else {**row, "pending": row["routed"]}
    dead = select(*by, func.count().label("dead")).select_from(events)
    dead = dead.join(dead_letters, dead_letters.c.seq == events.c.seq)
    yield from connection.execute(dead.where(dead_letters.c.sink == sink, within).group_by(*by)).mappings()


def _cheaply(connection: Connection, sink: str) -> Marks:
    """Say what an event's row is for a sink; where it has sampled nothing out, no row is asked for it."""
    known, sampled = marks(connection, sink), select(sampled_out.c.seq).where(sampled_out.c.sink == sink).limit(1)
    return known if connection.execute(sampled).first() else replace(known, left_out=false())


def sums_of(known: Marks) -> list[ColumnElement[int]]:
    """Count the rows of each kind that does not depend on a cursor."""
    return [
        func.count(events.c.seq).label("accepted"),
        func.count().filter(~known.takes).label("filtered"),
        func.count().filter(known.left_out).label("sampled_out"),
        func.count().filter(known.routed).label("routed"),
    ]


def _parts(connection: Connection, sink: str) -> Iterator[tuple[ColumnElement[bool], bool]]:
    """Part the rows that are in no total into those behind the cursors (True) and those in front of them."""
    for lane in Lane:
        here = events.c.lane == lane.value
        done, at = place(connection, settled, sink, lane), place(connection, cursors, sink, lane)
        yield and_(here, events.c.seq > done, events.c.seq <= at), True
        yield and_(here, events.c.seq > max(done, at)), False
    yield events.c.seq.in_(select(unsettled.c.seq).where(unsettled.c.sink == sink)), True


def place(connection: Connection, table: Table, sink: str, lane: Lane) -> int:
    """Give a sink's place in a lane, by `cursors` or by `settled`; 0 at first."""
    query = select(table.c.seq).where(table.c.sink == sink, table.c.lane == lane.value)
    return connection.execute(query).scalar() or 0


def hour_of(dialect: str) -> ColumnElement[str]:
    """Give the hour in which an event was accepted, in UTC."""
    if dialect == "postgresql":
        return func.to_char(func.timezone("UTC", events.c.accepted_at), 'YYYY-MM-DD"T"HH24')
    return func.strftime("%Y-%m-%dT%H", events.c.accepted_at)


def moment_of(hour: str) -> datetime:
    """Read it back."""
    return datetime.strptime(hour, "%Y-%m-%dT%H").replace(tzinfo=UTC)


def marks(connection: Connection, sink: str) -> Marks:
    """Say what an event's row is for a sink."""
    takes = or_(false(), *(_taken(lane, history(connection, sink, lane)) for lane in Lane))
    return Marks(takes, _listed(sampled_out, sink), _listed(dead_letters, sink))


def conditions(connection: Connection, sink: str) -> Sequence[ColumnElement[bool]]:
    """Give for each of COUNTS, in their order, the condition under which an event's row is one of them."""
    known, behind = marks(connection, sink), events.c.seq <= _cursor_of(sink)
    routed, dead = known.routed, known.dead
    delivered, pending = and_(routed, behind, ~dead), and_(routed, ~behind)
    return (literal(value=True), ~known.takes, known.left_out, routed, delivered, pending, dead)


def _taken(lane: Lane, known: Sequence[tuple[int, Subscription]]) -> ColumnElement[bool]:
    """Say which events of a lane a sink takes: each by what held behind the place before it."""
    ends: list[int | None] = [since for since, _ in known[1:]]
    spans = zip(known, [*ends, None], strict=False)
    parts = [
        and_(events.c.seq > since, events.c.seq <= end if end is not None else literal(value=True), _wanted(each))
        for (since, each), end in spans
    ]
    return and_(events.c.lane == lane.value, or_(false(), *parts))


def _wanted(subscription: Subscription) -> ColumnElement[bool]:
    of_type = events.c.type.in_(sorted(subscription.types))
    if subscription.organizations is None:
        return of_type
    # An event of no organisation is of none of these: NULL must not make the condition unknown.
    belongs = func.coalesce(events.c.organization, "").in_(sorted(subscription.organizations))
    return and_(of_type, belongs)


def _listed(table: Any, sink: str) -> ColumnElement[bool]:  # noqa: ANN401 - one of two tables of the same key
    return select(literal(1)).where(table.c.sink == sink, table.c.seq == events.c.seq).exists()


def _cursor_of(sink: str) -> ColumnElement[int]:
    at = select(cursors.c.seq).where(cursors.c.sink == sink, cursors.c.lane == events.c.lane)
    return func.coalesce(at.scalar_subquery(), 0)
