"""Reading a lane as the drivers give it: SQLAlchemy takes longer to make the values of a row than the relay may."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from orchestrator.domain.events import EventRecord, Price, PricingStatus, StoredEvent

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from orchestrator.domain.events import Lane

QUERY: Final = (
    "SELECT seq, key, id, source, type, time, body, price_status, price_usd, price_version, organization, trace, "
    "failed, accepted_at FROM events WHERE lane = ? AND seq > ? ORDER BY seq LIMIT ?"
)
# Events of one model and one length cost the same, and most have no price at all.
PRICES_KNOWN: Final = 4096


def read_lane(connection: Connection, lane: Lane, after: int, limit: int) -> list[StoredEvent]:
    """Give up to `limit` events of a lane that come after a sequence number, in order."""
    if connection.dialect.name == "postgresql":
        rows = connection.exec_driver_sql(QUERY.replace("?", "%s"), (lane.value, after, limit)).all()
        return [
            _stored(lane, seq, key, id_, source, kind, time.astimezone(UTC), *rest, at.astimezone(UTC))
            for seq, key, id_, source, kind, time, *rest, at in rows
        ]
    rows = connection.exec_driver_sql(QUERY, (lane.value, after, limit)).all()
    return [
        _stored(lane, seq, UUID(bytes=key), id_, source, kind, _moment(time), *rest, _moment(at))
        for seq, key, id_, source, kind, time, *rest, at in rows
    ]


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
