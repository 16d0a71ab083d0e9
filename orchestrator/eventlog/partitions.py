"""The log's partitions on PostgreSQL: one for each day of the events' own time, and one for what is in none of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, delete, func, select, text

from orchestrator.eventlog.appending import APPENDING
from orchestrator.eventlog.columns import COLUMNS
from orchestrator.eventlog.dropping import carry_over, make_room, may_go
from orchestrator.eventlog.schema import events, replay_items, sampled_out
from orchestrator.eventlog.totals import take_turn

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

DAY: Final = timedelta(days=1)
# Days for which there is a partition before the first event of that day.
AHEAD: Final = 7
# Rows of a day that stay, dead letters most of all: so many go into the default partition, and no more.
MOST_KEPT: Final = 10_000
NAMED: Final = "events_%Y%m%d"
PARTITIONS: Final = text(
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = 'events'::regclass AND c.relname <> 'events_default' ORDER BY c.relname"
)
# Whoever reads the log meanwhile is not kept waiting: it is tried again.
PATIENCE: Final = text("SET LOCAL lock_timeout = '3s'")


def make_ahead(connection: Connection, now: datetime) -> int:
    """Make the partitions of yesterday and of the days to come, where the default one holds nothing of that day."""
    take_turn(connection)
    known = set(connection.execute(PARTITIONS).scalars())
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today + DAY * offset for offset in range(-1, AHEAD + 1)]
    missing = [day for day in days if day.strftime(NAMED) not in known]
    if missing:
        connection.execute(PATIENCE)
        connection.execute(text(APPENDING))
    made = [day for day in missing if not connection.execute(select(events.c.seq).where(_of(day)).limit(1)).scalar()]
    for day in made:
        bounds = f"FOR VALUES FROM ('{day.isoformat()}') TO ('{(day + DAY).isoformat()}')"
        connection.execute(text(f"CREATE TABLE {day.strftime(NAMED)} PARTITION OF events {bounds}"))
    return len(made)


def drop_days(connection: Connection, before: datetime, now: datetime) -> int:
    """Drop the oldest partition whose day was over before this time, once no row of it is needed where it is.

    Gives the number of its rows.
    """
    for name in connection.execute(PARTITIONS).scalars().all():
        day = datetime.strptime(name, NAMED).replace(tzinfo=UTC)
        if day + DAY > before:
            return 0
        if (dropped := _drop(connection, name, day, before, now)) is not None:
            return dropped
    return 0


def _of(day: datetime) -> ColumnElement[bool]:
    return and_(events.c.time >= day, events.c.time < day + DAY)


def _drop(connection: Connection, name: str, day: datetime, before: datetime, now: datetime) -> int | None:
    """Drop one day; None, with nothing changed, where it has to stay for now."""
    take_turn(connection)
    here, going = _of(day), may_go(connection)
    newest = _newest(connection, here)
    stay = list(connection.execute(select(events.c.seq).where(here, ~going).limit(MOST_KEPT + 1)).scalars())
    if len(stay) > MOST_KEPT or not _all_old(connection, here, before):
        return None
    undo = connection.begin_nested()
    gone = and_(here, events.c.seq.not_in(stay))
    count = connection.execute(select(func.count()).select_from(events).where(gone)).scalar_one()
    room = carry_over(connection, gone, now)
    for table in (sampled_out, replay_items):
        connection.execute(delete(table).where(table.c.seq.in_(select(events.c.seq).where(gone))))
    connection.execute(PATIENCE)
    connection.execute(text(APPENDING))
    # What was counted above took no lock: an event that came into this day meanwhile is in none of it.
    if _newest(connection, here) != newest:
        undo.rollback()
        return None
    _detach(connection, name, stay)
    make_room(connection, room)
    undo.commit()
    return count


def _newest(connection: Connection, here: ColumnElement[bool]) -> int | None:
    return connection.execute(select(func.max(events.c.seq)).where(here)).scalar()


def _all_old(connection: Connection, here: ColumnElement[bool], before: datetime) -> bool:
    """Tell whether nothing that came late keeps a day where it is."""
    late = select(events.c.seq).where(here, events.c.accepted_at >= before).limit(1)
    return connection.execute(late).scalar() is None


def _detach(connection: Connection, name: str, stay: list[int]) -> None:
    connection.execute(text(f"ALTER TABLE events DETACH PARTITION {name}"))
    if stay:
        moved = text(f"INSERT INTO events (seq, {COLUMNS}) SELECT seq, {COLUMNS} FROM {name} WHERE seq = ANY(:stay)")  # noqa: S608 - names of our own
        connection.execute(moved, {"stay": stay})
    connection.execute(text(f"DROP TABLE {name}"))
