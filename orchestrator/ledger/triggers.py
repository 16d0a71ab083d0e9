"""Triggers on their way to StackStorm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from orchestrator.domain.dispatches import Dispatch, DispatchState
from orchestrator.ledger.codec import dispatch_row, dispatch_value
from orchestrator.ledger.rows import Rows
from orchestrator.ledger.schema import dispatches

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

UNSETTLED = (DispatchState.PENDING, DispatchState.SENDING, DispatchState.SENT, DispatchState.FIRED)


class DispatchRows(Rows):
    """The verbs on triggers."""

    def add_dispatch(self, dispatch: Dispatch) -> None:
        """Store a trigger to be sent; the same one again changes nothing."""
        self._insert_new(dispatches, dispatch_row(dispatch))

    def save_dispatch(self, dispatch: Dispatch) -> None:
        """Store what came of a trigger."""
        statement = update(dispatches).where(dispatches.c.id == dispatch.id)
        self._connection.execute(statement.values(**dispatch_row(dispatch)))

    def due_dispatches(self, now: datetime, limit: int) -> list[Dispatch]:
        """List the triggers to be sent, or to be asked about, now; oldest first."""
        unsettled = dispatches.c.state.in_([str(state) for state in UNSETTLED])
        query = select(dispatches).where(unsettled, dispatches.c.next_at <= now)
        rows = self._connection.execute(query.order_by(dispatches.c.next_at, dispatches.c.created_at).limit(limit))
        return [dispatch_value(row) for row in rows]

    def dispatches_of(self, incident_id: UUID) -> list[Dispatch]:
        """List the triggers of an incident, oldest first."""
        query = select(dispatches).where(dispatches.c.incident_id == incident_id).order_by(dispatches.c.created_at)
        return [dispatch_value(row) for row in self._connection.execute(query)]
