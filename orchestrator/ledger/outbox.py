"""Events born in the ledger, and who leads which part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from eventbus.wire import Event, to_mapping
from orchestrator.ledger.rows import Rows
from orchestrator.ledger.schema import leases, outbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime


class OutboxRows(Rows):
    """The verbs on the outbox."""

    def emit(self, event: Event) -> None:
        """Put an event into the outbox."""
        self._kept.outbox.append({"event": to_mapping(event)})

    def outbox(self, limit: int) -> list[tuple[int, Mapping[str, Any]]]:
        """List the oldest events of the outbox (structured CloudEvents) with their numbers."""
        rows = self._connection.execute(select(outbox).order_by(outbox.c.seq).limit(limit))
        return [(row.seq, row.event) for row in rows]

    def clear_outbox(self, numbers: Iterable[int]) -> None:
        """Drop the events that the event log holds by now, by their numbers."""
        self._connection.execute(delete(outbox).where(outbox.c.seq.in_(list(numbers))))


class LeaseRows(Rows):
    """The verbs on leadership."""

    def lease(  # noqa: PLR0913 - as the port has it
        self, part: str, owner: str, now: datetime, ttl: float, *, takeover: bool, above: int = 0
    ) -> int | None:
        """Take or renew the lead of a part for `ttl` seconds: its epoch, or None while another process has it."""
        until = now.timestamp() + ttl
        if self._insert_new(leases, {"part": part, "owner": owner, "epoch": above + 1, "expires_at": until}):
            return above + 1
        row = self._connection.execute(select(leases).where(leases.c.part == part)).one()
        if row.owner != owner and row.expires_at > now.timestamp() and not takeover:
            return None
        epoch: int = max(row.epoch + (row.owner != owner), above + 1)
        statement = update(leases).where(leases.c.part == part)
        self._connection.execute(statement.values(owner=owner, epoch=epoch, expires_at=until))
        return epoch

    def epoch_of(self, part: str) -> int:
        """Give the epoch of a part's lead, 0 before anybody had it; it cannot change before this transaction ends."""
        query = select(leases.c.epoch).where(leases.c.part == part)
        epoch: int | None = self._connection.execute(query).scalar_one_or_none()
        return epoch or 0

    def lease_holder(self, part: str) -> str | None:
        """Name the process that holds the lead of a part."""
        query = select(leases.c.owner).where(leases.c.part == part)
        holder: str | None = self._connection.execute(query).scalar_one_or_none()
        return holder

    def led(self, part: str, now: datetime) -> bool:
        """Tell whether anybody has the lead of a part that has not run out."""
        query = select(leases.c.part).where(leases.c.part == part, leases.c.expires_at > now.timestamp())
        return self._connection.execute(query).first() is not None
