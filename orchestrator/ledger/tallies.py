"""The ledger in numbers, counted from its rows: a restart forgets none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from orchestrator.domain.dispatches import DispatchState
from orchestrator.domain.failures import FailureState
from orchestrator.domain.tallies import Tallies
from orchestrator.ledger.schema import dependencies, dispatches, failures, incidents
from orchestrator.ledger.sizes import SizeRows
from orchestrator.ledger.totals import FAILURES, INCIDENTS

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement

UNSENT = (str(DispatchState.PENDING), str(DispatchState.SENDING))


class TallyRows(SizeRows):
    """The verb that counts."""

    def tallies(self, now: datetime) -> Tallies:
        """Count what metrics show: failures by kind, incidents by state, attempts, and what waits longest."""
        by_kind = select(failures.c.counted_as, func.count()).group_by(failures.c.counted_as)
        by_state = select(incidents.c.state, func.count()).group_by(incidents.c.state)
        healths = select(dependencies.c.name, dependencies.c.health)
        return Tallies(
            failures=self._with_totals(FAILURES, {row[0]: row[1] for row in self._reading.execute(by_kind)}),
            incidents=self._with_totals(INCIDENTS, {row[0]: row[1] for row in self._reading.execute(by_state)}),
            attempts=self._attempts_with_totals(),
            dispatch_oldest_seconds=self._oldest_trigger(now),
            held_oldest_seconds=self._oldest(FailureState.HELD, failures.c.occurred_at, now),
            pending_oldest_seconds=self._oldest(FailureState.REDELIVERY_PENDING, failures.c.pending_since, now),
            tables=self._sizes(),
            dependencies={row.name: row.health for row in self._reading.execute(healths)},
        )

    def _oldest_trigger(self, now: datetime) -> float:
        query = select(func.min(dispatches.c.created_at)).where(dispatches.c.state.in_(UNSENT))
        oldest: datetime | None = self._reading.execute(query).scalar_one()
        return (now - oldest).total_seconds() if oldest else 0.0

    def _oldest(self, state: FailureState, since: ColumnElement[datetime], now: datetime) -> dict[str, float]:
        query = (
            select(incidents.c.dependency_key, func.min(since))
            .join(incidents, incidents.c.id == failures.c.incident_id)
            .where(failures.c.state == str(state))
            .group_by(incidents.c.dependency_key)
        )
        return {row[0]: (now - row[1]).total_seconds() for row in self._reading.execute(query)}
