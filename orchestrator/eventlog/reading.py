"""Reading a lane as the drivers give it: SQLAlchemy takes longer to make the values of a row than the relay may."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from orchestrator.domain.events import EventRecord, Price, PricingStatus, StoredEvent, Stretch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from sqlalchemy import Connection, CursorResult

    from orchestrator.domain.events import Lane

COLUMNS: Final = (
    "seq, key, id, source, type, time, body, price_status, price_usd, price_version, organization, trace, failed, "
    "accepted_at"
)
LANE: Final = f"SELECT {COLUMNS} FROM events WHERE lane = ? AND seq > ? ORDER BY seq LIMIT ?"  # noqa: S608 - names of our own
REACH: Final = (
    "SELECT max(seq), count(*) FROM (SELECT seq FROM events WHERE lane = ? AND seq > ? ORDER BY seq LIMIT ?) AS next"
)
# Answered from the index of lane, number and type, up to the rows that are wanted.
TAKEN: Final = f"SELECT {COLUMNS} FROM events WHERE lane = ? AND seq > ? AND seq <= ? AND type IN ({{}}) ORDER BY seq"  # noqa: S608 - names of our own
# How far to read for so many bytes, without reading them: PostgreSQL would send all rows before one can be looked at.
ENOUGH: Final = (
    " AND seq <= (SELECT max(seq) FROM (SELECT seq, sum(octet_length(body)) OVER (ORDER BY seq) - octet_length(body) "
    "AS before FROM events WHERE lane = ? AND seq > ? AND seq <= ? AND type IN ({})) AS sized WHERE before <= ?) "
)
COUNT: Final = "SELECT count(*) FROM events WHERE lane = ? AND seq > ? AND seq <= ?"
# How many rows are fetched first where rows come as they are asked for; then twice as many, and so on.
FIRST_ROWS: Final = 8
BODY: Final = COLUMNS.split(", ").index("body")
# Events of one model and one length cost the same, and most have no price at all.
PRICES_KNOWN: Final = 4096


def read_lane(connection: Connection, lane: Lane, after: int, limit: int) -> list[StoredEvent]:
    """Give up to `limit` events of a lane that come after a sequence number, in order."""
    return _stored_of(connection, lane, _ask(connection, LANE, (lane.value, after, limit)).all())


def read_stretch(  # noqa: PLR0913, PLR0917 - what the port's `stretch` takes, and the connection
    connection: Connection, lane: Lane, after: int, number: int, types: AbstractSet[str], most_bytes: int
) -> Stretch:
    """Give of the next `number` events of a lane those of these types, until they have more than so many bytes.

    The two queries need not see one moment: whatever commits between them comes behind the end that the first found.
    """
    last, found = _ask(connection, REACH, (lane.value, after, number)).one()
    if not found or not types:
        return Stretch([], last or after, found)
    marks = ", ".join("?" * len(types))
    values = lane.value, after, last, *sorted(types)
    if connection.dialect.name == "postgresql":
        query, order = TAKEN.format(marks).split("ORDER", 1)
        asked = _ask(connection, f"{query}{ENOUGH.format(marks)}ORDER{order}", (*values, *values, most_bytes))
    else:
        asked = _ask(connection, TAKEN.format(marks), values)
    rows, cut = _up_to(asked, most_bytes)
    if cut:
        last = rows[-1][0]
        found = _ask(connection, COUNT, (lane.value, after, last)).scalar_one()
    return Stretch(_stored_of(connection, lane, rows), last, found, cut)


def _up_to(asked: CursorResult[*tuple[Any, ...]], most_bytes: int) -> tuple[list[Any], bool]:
    """Fetch rows until their bodies have more than so many bytes, and tell whether they have."""
    rows: list[Any] = []
    size, page = 0, FIRST_ROWS
    while more := asked.fetchmany(page):
        fetched = sum([len(row[BODY]) for row in more])
        if size + fetched > most_bytes:
            ends = accumulate((len(row[BODY]) for row in more), initial=size)
            rows.extend(more[: sum(end <= most_bytes for end in ends)])
            asked.close()
            return rows, True
        rows.extend(more)
        size, page = size + fetched, page * 2
    return rows, False


def _ask(connection: Connection, query: str, values: tuple[Any, ...]) -> CursorResult[*tuple[Any, ...]]:
    return connection.exec_driver_sql(_in_style(connection, query), values)


def _stored_of(connection: Connection, lane: Lane, rows: Sequence[Any]) -> list[StoredEvent]:
    if connection.dialect.name == "postgresql":
        return [
            _stored(lane, seq, key, id_, source, kind, time.astimezone(UTC), *rest, at.astimezone(UTC))
            for seq, key, id_, source, kind, time, *rest, at in rows
        ]
    return [
        _stored(lane, seq, UUID(bytes=key), id_, source, kind, _moment(time), *rest, _moment(at))
        for seq, key, id_, source, kind, time, *rest, at in rows
    ]


def _in_style(connection: Connection, query: str) -> str:
    return query.replace("?", "%s") if connection.dialect.name == "postgresql" else query


def _moment(text: str) -> datetime:
    """Read a time as SQLite keeps it, in UTC."""
    return datetime.fromisoformat(f"{text}+00:00")


def _stored(lane: Lane, seq: int, *columns: Any) -> StoredEvent:
    key, id_, source, kind, time, body, status, usd, version, organization, trace, failed, at = columns
    price = _price(status, usd, version)
    record = EventRecord(key, id_, source, kind, time, lane, bytes(body), price, organization, trace, bool(failed))
    return StoredEvent(seq, record, at)


@lru_cache(PRICES_KNOWN)
def _price(status: str, usd: str | None, version: str | None) -> Price:
    return Price(PricingStatus(status), None if usd is None else Decimal(usd), version)
