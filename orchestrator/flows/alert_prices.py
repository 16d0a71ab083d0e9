"""What failures of an alert cost: a price for each, from the calls of some tasks, asked after people were told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from decimal import Decimal
    from uuid import UUID

    from orchestrator.domain.ledger import LedgerTx

# Tasks of an alert whose calls are added up, and of how many of its incidents, the largest, they are.
SAMPLE: Final = 200
LARGEST: Final = 10
# A call that failed was paid for before its incident opened, and not long before.
A_DAY: Final = timedelta(days=1)
# Of an alert without incidents: any time.
EVER: Final = datetime(2000, 1, 1, tzinfo=UTC)
# So long a price holds.
HOLDS: Final = timedelta(seconds=60)
# Alerts whose prices are remembered; the oldest are asked for again.
MOST_KNOWN: Final = 1_000


class Prices:
    """USD for a failure of each alert, as far as it is known, and the alerts whose price is to be asked for."""

    def __init__(self) -> None:
        self._known: dict[UUID, tuple[datetime, Decimal | None]] = {}
        self._wanted: dict[UUID, None] = {}

    def of(self, alert_id: UUID) -> Decimal | None:
        """Give what is known; None where it is not."""
        return self._known[alert_id][1] if alert_id in self._known else None

    def want(self, alert_id: UUID, now: datetime) -> None:
        """Have it asked for, unless what is known still holds."""
        if alert_id not in self._known or now - self._known[alert_id][0] >= HOLDS:
            self._wanted[alert_id] = None

    def next(self) -> UUID | None:
        """Take the alert that has waited longest."""
        alert_id = next(iter(self._wanted), None)
        if alert_id is not None:
            del self._wanted[alert_id]
        return alert_id

    def note(self, alert_id: UUID, cost: Decimal | None, tasks: int, now: datetime) -> None:
        """Take what some tasks cost together for what each failure does."""
        self._known.pop(alert_id, None)
        self._known[alert_id] = (now, None if cost is None else cost / tasks)
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]


def sampled(tx: LedgerTx, alert_id: UUID) -> tuple[list[str], datetime]:
    """Give some tasks of an alert's largest incidents, and since when their calls count; none where it has none."""
    members = sorted(tx.members_of(alert_id), key=lambda each: -each.size)[:LARGEST]
    tasks = [task for each in members for task in tx.tasks_of(each.id, SAMPLE // len(members))]
    return tasks, min((each.opened_at for each in members), default=EVER) - A_DAY
