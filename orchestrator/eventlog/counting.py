"""The counts of guarantee 2, each counted from rows of its own; none is what the others leave."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, false, func, literal, or_, select

from orchestrator.domain.events import HourCounts, Lane, SinkCounts
from orchestrator.eventlog.schema import cursors, dead_letters, events, sampled_out
from orchestrator.eventlog.subscribing import history

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

    from orchestrator.domain.subscriptions import Subscription

COUNTS: Final = ("accepted", "filtered", "sampled_out", "routed", "delivered", "pending", "dead")


def counted(connection: Connection, sink: str) -> SinkCounts:
    """Count, in one statement and so at one moment, what became of each event for a sink."""
    queries = (select(func.count()).select_from(events).where(each) for each in conditions(connection, sink))
    row = connection.execute(select(*(query.scalar_subquery() for query in queries))).one()
    return SinkCounts(*row)


def counted_by_hour(connection: Connection, sink: str, since: datetime, until: datetime) -> list[HourCounts]:
    """Count the same for each hour of acceptance in which anything was accepted."""
    hour = _hour(connection.dialect.name)
    inside = and_(events.c.accepted_at >= since, events.c.accepted_at < until)
    found: defaultdict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(COUNTS, 0))
    for name, condition in zip(COUNTS, conditions(connection, sink), strict=True):
        for begins, count in connection.execute(select(hour, func.count()).where(inside, condition).group_by(hour)):
            found[begins][name] = count
    return [HourCounts(_moment(begins), SinkCounts(**counts)) for begins, counts in sorted(found.items())]


def _hour(dialect: str) -> ColumnElement[Any]:
    if dialect == "postgresql":
        return func.to_char(func.timezone("UTC", events.c.accepted_at), 'YYYY-MM-DD"T"HH24')
    return func.strftime("%Y-%m-%dT%H", events.c.accepted_at)


def _moment(hour: str) -> datetime:
    return datetime.strptime(hour, "%Y-%m-%dT%H").replace(tzinfo=UTC)


def conditions(connection: Connection, sink: str) -> Sequence[ColumnElement[bool]]:
    """Give for each of COUNTS, in their order, the condition under which an event's row is one of them."""
    takes = or_(false(), *(_taken(lane, history(connection, sink, lane)) for lane in Lane))
    left_out = _listed(sampled_out, sink)
    dead, behind = _listed(dead_letters, sink), events.c.seq <= _cursor_of(sink)
    routed = and_(takes, ~left_out)
    return (literal(value=True), ~takes, left_out, routed, and_(routed, behind, ~dead), and_(routed, ~behind), dead)


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
