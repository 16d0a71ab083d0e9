"""An event as a row of the log, and back."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from orchestrator.domain.events import EventRecord, Lane, Price, PricingStatus, StoredEvent

if TYPE_CHECKING:
    from sqlalchemy import RowMapping


def to_row(record: EventRecord) -> dict[str, Any]:
    """Give the columns of a record; its price is kept digit by digit."""
    return {
        "key": record.key,
        "id": record.id,
        "source": record.source,
        "type": record.type,
        "time": record.time,
        "lane": record.lane.value,
        "body": record.body,
        "price_status": record.price.status.value,
        "price_usd": None if record.price.usd is None else str(record.price.usd),
        "price_version": record.price.version,
    }


def from_row(row: RowMapping) -> StoredEvent:
    """Read an event back, with its place in the log."""
    record = EventRecord(
        key=row["key"],
        id=row["id"],
        source=row["source"],
        type=row["type"],
        time=row["time"],
        lane=Lane(row["lane"]),
        body=bytes(row["body"]),
        price=_price(row),
    )
    return StoredEvent(seq=row["seq"], record=record)


def _price(row: RowMapping) -> Price:
    usd = row["price_usd"]
    return Price(
        status=PricingStatus(row["price_status"]),
        usd=None if usd is None else Decimal(usd),
        version=row["price_version"],
    )
