"""The ledger in numbers, counted from its rows: a restart forgets none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from orchestrator.domain.dispatches import DispatchState
from orchestrator.domain.failures import FailureState
from orchestrator.domain.ledger import Tallies
from orchestrator.ledger.rows import Rows
from orchestrator.ledger.schema import attempts, dispatches, failures, incidents

if TYPE_CHECKING:
    from datetime import datetime

UNSENT = (str(DispatchState.PENDING), str(DispatchState.SENDING))


class TallyRows(Rows):
    """The verb that counts."""

    def tallies(self, now: datetime) -> Tallies:
        """Count what metrics show: failures by kind, incidents by state, attempts, and what waits longest."""
        by_kind = select(failures.c.kind, func.count()).group_by(failures.c.kind)
        by_state = select(incidents.c.state, func.count()).group_by(incidents.c.state)
        tried = (attempts.c.plan, attempts.c.state, attempts.c.number)
        by_try = select(*tried, func.count()).group_by(*tried)
        return Tallies(
            failures={row[0]: row[1] for row in self._connection.execute(by_kind)},
            incidents={row[0]: row[1] for row in self._connection.execute(by_state)},
            attempts={(row[0], row[1], row[2]): row[3] for row in self._connection.execute(by_try)},
            dispatch_oldest_seconds=self._oldest_trigger(now),
            held_oldest_seconds=self._oldest_held(now),
        )

    def _oldest_trigger(self, now: datetime) -> float:
        query = select(func.min(dispatches.c.created_at)).where(dispatches.c.state.in_(UNSENT))
        oldest: datetime | None = self._connection.execute(query).scalar_one()
        return (now - oldest).total_seconds() if oldest else 0.0

    def _oldest_held(self, now: datetime) -> dict[str, float]:
        query = (
            select(incidents.c.dependency_key, func.min(failures.c.occurred_at))
            .join(incidents, incidents.c.id == failures.c.incident_id)
            .where(failures.c.state == str(FailureState.HELD))
            .group_by(incidents.c.dependency_key)
        )
        return {row[0]: (now - row[1]).total_seconds() for row in self._connection.execute(query)}
