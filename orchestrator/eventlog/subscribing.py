"""What each sink takes of each lane, from which place of the log on, as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import func, literal, select

from orchestrator.domain.events import Lane
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog.schema import COUNTED, NOBODY, cursors, subscriptions, totals
from orchestrator.stores import insert_into

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping
    from sqlalchemy.dialects import postgresql, sqlite


def history(connection: Connection, sink: str, lane: Lane) -> list[tuple[int, Subscription]]:
    """Give what a sink took of a lane, each with the place behind which it holds, oldest first."""
    here = (subscriptions.c.sink == sink, subscriptions.c.lane == lane.value)
    rows = connection.execute(select(subscriptions).where(*here).order_by(subscriptions.c.since)).mappings()
    return [(row["since"], _from_row(row)) for row in rows]


def is_known(connection: Connection, sink: str) -> bool:
    """Tell whether it is written what a sink takes of every lane."""
    return all(history(connection, sink, lane) for lane in Lane)


def subscribe(connection: Connection, sink: str, lane: Lane, subscription: Subscription) -> None:
    """Write what a sink takes of a lane, where nothing is written of it yet."""
    if not history(connection, sink, lane):
        _begin_totals(connection, sink, lane)
        first = _row(connection, sink, lane, 0, subscription)
        connection.execute(first.on_conflict_do_nothing())


def resubscribe(connection: Connection, sink: str, lane: Lane, subscription: Subscription) -> None:
    """Write what a sink takes of a lane behind its cursor, where that is not what it takes already."""
    known = history(connection, sink, lane)
    if known and known[-1][1] == subscription:
        return
    if not known:
        _begin_totals(connection, sink, lane)
    at = select(func.max(cursors.c.seq)).where(cursors.c.sink == sink, cursors.c.lane == lane.value)
    since = (connection.execute(at).scalar() or 0) if known else 0
    fresh = _row(connection, sink, lane, since, subscription)
    again = {name: fresh.excluded[name] for name in ("types", "organizations", "sample")}
    connection.execute(fresh.on_conflict_do_update(index_elements=["sink", "lane", "since"], set_=again))


def _begin_totals(connection: Connection, sink: str, lane: Lane) -> None:
    """Count what was dropped before the sink came as filtered for it."""
    columns = [totals.c.lane, totals.c.hour, *(totals.c[name] for name in COUNTED)]
    dropped = select(literal(sink), *columns).where(totals.c.sink == NOBODY, totals.c.lane == lane.value)
    names = ["sink", *(column.name for column in columns)]
    connection.execute(insert_into(totals, connection.dialect).from_select(names, dropped).on_conflict_do_nothing())


def _row(
    connection: Connection, sink: str, lane: Lane, since: int, subscription: Subscription
) -> postgresql.Insert | sqlite.Insert:
    place = {"sink": sink, "lane": lane.value, "since": since}
    return insert_into(subscriptions, connection.dialect).values(**place, **_columns(subscription))


def _columns(subscription: Subscription) -> dict[str, Any]:
    organizations = subscription.organizations
    return {
        "types": orjson.dumps(sorted(subscription.types)).decode(),
        "organizations": None if organizations is None else orjson.dumps(sorted(organizations)).decode(),
        "sample": subscription.sample,
    }


def _from_row(row: RowMapping) -> Subscription:
    organizations = row["organizations"]
    return Subscription(
        types=frozenset(orjson.loads(row["types"])),
        organizations=None if organizations is None else frozenset(orjson.loads(organizations)),
        sample=row["sample"],
    )
