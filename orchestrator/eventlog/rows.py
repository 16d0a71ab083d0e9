"""An event as a row of the log, and back."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from orchestrator.domain.events import (
    Answer,
    DeadLetter,
    EventRecord,
    Lane,
    Price,
    PricingStatus,
    Refusal,
    StoredEvent,
)

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

    from orchestrator.domain.events import Passed


def storable(said: str | None) -> str | None:
    """Give what others said as a text that every database takes: PostgreSQL has none with a NUL in it."""
    return None if said is None else said.replace("\0", "\ufffd")


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
        organization=row["organization"],
        trace=row["trace"],
        failed=row["failed"],
    )
    return StoredEvent(seq=row["seq"], record=record, accepted_at=row["accepted_at"])


def letter_rows(sink: str, passed: Passed) -> list[dict[str, Any]]:
    """Give the rows of what a sink refused."""
    return [
        {
            "sink": sink,
            "seq": seq,
            "reason": storable(refusal.reason),
            "field": storable(refusal.field),
            "attempts": passed.attempts,
            "at": passed.at,
        }
        for seq, refusal in sorted(passed.refusals.items())
    ]


def letter_from(row: RowMapping) -> DeadLetter:
    """Read a dead letter back, from its row beside the event's."""
    return DeadLetter(from_row(row), Refusal(row["reason"], row["field"]), row["attempts"], row["at"])


def answer_row(answer: Answer) -> dict[str, Any]:
    """Give the columns of an answer."""
    return {
        "sink": answer.sink,
        "lane": answer.lane.value,
        "first": answer.first,
        "last": answer.last,
        "outcome": answer.outcome,
        "detail": storable(answer.detail),
        "at": answer.at,
    }


def answer_from(row: RowMapping) -> Answer:
    """Read an answer back."""
    return Answer(row["sink"], Lane(row["lane"]), row["first"], row["last"], row["outcome"], row["detail"], row["at"])


def _price(row: RowMapping) -> Price:
    usd = row["price_usd"]
    return Price(
        status=PricingStatus(row["price_status"]),
        usd=None if usd is None else Decimal(usd),
        version=row["price_version"],
    )
