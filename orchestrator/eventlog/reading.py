"""Reading a lane as the drivers give it: SQLAlchemy takes longer to make the values of a row than the relay may."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from orchestrator.domain.events import EventRecord, Price, PricingStatus, StoredEvent, Stretch

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from sqlalchemy import Connection

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
# Events of one model and one length cost the same, and most have no price at all.
PRICES_KNOWN: Final = 4096


def read_lane(connection: Connection, lane: Lane, after: int, limit: int) -> list[StoredEvent]:
    """Give up to `limit` events of a lane that come after a sequence number, in order."""
    return _read(connection, lane, LANE, (lane.value, after, limit))


def read_stretch(connection: Connection, lane: Lane, after: int, number: int, types: AbstractSet[str]) -> Stretch:
    """Give of the next `number` events of a lane those of these types.

    The two queries need not see one moment: whatever commits between them comes behind the end that the first found.
    """
    last, found = connection.exec_driver_sql(_in_style(connection, REACH), (lane.value, after, number)).one()
    if not found or not types:
        return Stretch([], last or after, found)
    query = TAKEN.format(", ".join("?" * len(types)))
    return Stretch(_read(connection, lane, query, (lane.value, after, last, *sorted(types))), last, found)


def _read(connection: Connection, lane: Lane, query: str, values: tuple[Any, ...]) -> list[StoredEvent]:
    rows = connection.exec_driver_sql(_in_style(connection, query), values).all()
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
