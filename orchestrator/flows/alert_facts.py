"""What is known of an alert's incidents, from their rows: a size is read, and no failure counted."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from orchestrator.domain.alerts import Facts
from orchestrator.domain.ladders import RANK

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.alerts import Alert
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ladders import Ladder
    from orchestrator.domain.ledger import LedgerTx

CENT_OF_A_CENT: Final = Decimal("0.0001")
# A size that no incident has.
NEVER: Final = 2**31 - 1


def facts_of(
    tx: LedgerTx, alert: Alert, members: Sequence[Incident], ladder: Ladder, price: Decimal | None = None
) -> Facts:
    """Put together what a decision needs; of what is over only its size counts. `price` is USD a failure."""
    still = [each for each in members if not each.closed]
    counted = still or members
    unanswered = [each for each in still if each.acknowledged_at is None]
    last = max(still, key=_acknowledged_at, default=None) if still and not unanswered else None
    dependency = tx.dependency(alert.dependency) if alert.dependency else None
    most = ladder.most_attempts
    size = sum(each.size for each in members)
    return Facts(
        largest=max(counted, key=lambda each: each.size),
        open=len(still),
        incidents=len(members),
        size=size,
        severity=max((each.severity for each in counted), key=lambda each: RANK[each]),
        health=str(dependency.health) if dependency else "",
        attempts=tx.failed_attempts([each.id for each in members], most) if most else 0,
        money=None if price is None else (price * size).quantize(CENT_OF_A_CENT),
        acknowledged_at=last.acknowledged_at if last else None,
        acknowledged_by=last.acknowledged_by if last else None,
        snoozed_until=_snoozed(unanswered),
        closed_at=max((each.closed_at for each in members if each.closed_at), default=None),
    )


def _acknowledged_at(incident: Incident) -> float:
    return incident.acknowledged_at.timestamp() if incident.acknowledged_at else 0.0


def _snoozed(unanswered: Sequence[Incident]) -> datetime | None:
    """Give until when all of these rest."""
    until = [each.snoozed_until for each in unanswered if each.snoozed_until]
    return min(until) if until and len(until) == len(unanswered) else None


def look_again(
    alert: Alert, facts: Facts, members: Sequence[Incident], ladder: Ladder, sizes: Sequence[int] = ()
) -> dict[UUID, tuple[int, int, bool]]:
    """Give for each incident the revision that was seen, the size at which to look again, and whether it is over.

    The sum cannot reach the next size that matters before one of them has grown by its part of the distance.
    """
    wanted = [level.size for level in ladder.levels[alert.level :] if level.size]
    ahead = [size - facts.size for size in (*wanted, *sizes) if size > facts.size]
    part = max(1, -(-min(ahead) // max(1, facts.open))) if ahead else NEVER
    return {each.id: (each.revision, min(NEVER, each.size + part), each.closed) for each in members}
