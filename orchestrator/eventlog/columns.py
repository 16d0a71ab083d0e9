"""An append's columns: records as the rows that each driver takes, in the order of TYPES."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.room import is_urgent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from orchestrator.domain.events import EventRecord

    Row = tuple[Any, ...]

# The columns that an append writes, and their types in a binary COPY.
TYPES: Final = {
    "key": "uuid",
    "id": "text",
    "source": "text",
    "type": "text",
    "time": "timestamptz",
    "lane": "varchar",
    "body": "bytea",
    "price_status": "varchar",
    "price_usd": "text",
    "price_version": "text",
    "organization": "text",
    "trace": "varchar",
    "failed": "bool",
    "accepted_at": "timestamptz",
}
# What stands before the offset of a time in ISO 8601.
WITHOUT_OFFSET: Final = len("2025-11-20 12:00:00.000000")
BODY: Final = list(TYPES).index("body")
COLUMNS: Final = ", ".join(TYPES)


@dataclass(slots=True, eq=False)
class Batch:
    """One caller's records, as rows, with the bytes of their bodies."""

    records: Sequence[EventRecord]
    rows: Sequence[Row]
    bytes: int

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.rows)

    @property
    def urgent(self) -> bool:
        """Tell whether all of it may go into the reserve."""
        return all(is_urgent(each.type) for each in self.records)


def rows_of(records: Sequence[EventRecord], accepted_at: datetime) -> list[Row]:
    """Give the columns of records in the order of TYPES, as psycopg takes them."""
    return [
        (
            record.key,
            record.id,
            record.source,
            record.type,
            record.time,
            record.lane.value,
            record.body,
            (price := record.price).status.value,
            None if price.usd is None else str(price.usd),
            price.version,
            record.organization,
            record.trace,
            record.failed,
            accepted_at,
        )
        for record in records
    ]


def sqlite_rows_of(records: Sequence[EventRecord], accepted_at: datetime) -> list[Row]:
    """Give the rows as SQLite keeps them: keys as 16 bytes, times as text in UTC, truth as a number."""
    at = _text(accepted_at)
    return [
        (
            record.key.bytes,
            record.id,
            record.source,
            record.type,
            _text(record.time),
            record.lane.value,
            record.body,
            (price := record.price).status.value,
            None if price.usd is None else str(price.usd),
            price.version,
            record.organization,
            record.trace,
            1 if record.failed else 0,
            at,
        )
        for record in records
    ]


def _text(moment: datetime) -> str:
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None:
            raise ValueError(f"expected a time with an offset, got {moment.isoformat()}")
        moment = moment.astimezone(UTC)
    return moment.isoformat(" ", "microseconds")[:WITHOUT_OFFSET]
