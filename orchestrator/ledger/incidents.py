"""Incidents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, exists, func, or_, select, update

from orchestrator.domain.failures import FailureState
from orchestrator.domain.incidents import Incident, IncidentState
from orchestrator.domain.release import ENDED
from orchestrator.ledger.codec import incident_row, incident_value
from orchestrator.ledger.rows import Rows
from orchestrator.ledger.schema import failures, incidents, releases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID


class IncidentRows(Rows):
    """The verbs on incidents."""

    def open_incident(self, signature: str, dependency: str | None) -> Incident | None:
        """Find the incident that takes in failures which look like this."""
        table = incidents.c
        query = select(incidents).where(
            table.signature == signature, table.dependency_key == (dependency or ""), table.closed_at.is_(None)
        )
        row = self._connection.execute(query.with_for_update()).one_or_none()
        return incident_value(row) if row else None

    def incident(self, incident_id: UUID) -> Incident | None:
        """Look an incident up; its row stays locked until the transaction ends, where the database can."""
        query = select(incidents).where(incidents.c.id == incident_id).with_for_update()
        row = self._connection.execute(query).one_or_none()
        return incident_value(row) if row else None

    def incidents(self, states: Sequence[IncidentState], limit: int, after: UUID | None) -> list[Incident]:
        """List incidents in these states (all when empty), newest first, after the one with the id `after`."""
        table = incidents.c
        query = select(incidents).order_by(table.opened_at.desc(), table.id.desc()).limit(limit)
        if states:
            query = query.where(table.state.in_([str(state) for state in states]))
        last = self.incident(after) if after else None
        if last:
            same = and_(table.opened_at == last.opened_at, table.id < last.id)
            query = query.where(or_(table.opened_at < last.opened_at, same))
        return [incident_value(row) for row in self._connection.execute(query)]

    def add_incident(self, incident: Incident) -> bool:
        """Store a new incident; False when one that takes in the same failures is open already."""
        return self._insert_new(incidents, incident_row(incident))

    def save_incident(self, incident: Incident) -> None:
        """Store what changed in an incident."""
        statement = update(incidents).where(incidents.c.id == incident.id)
        self._connection.execute(statement.values(**incident_row(incident)))

    def incident_counts(self) -> Mapping[str, int]:
        """Count all incidents by their state."""
        query = select(incidents.c.state, func.count()).group_by(incidents.c.state)
        return {row[0]: row[1] for row in self._connection.execute(query)}

    def without_release(self) -> list[Incident]:
        """List the planned incidents that have idempotent failures held, not claimed, and no release to move them."""
        waiting = exists().where(
            failures.c.incident_id == incidents.c.id,
            failures.c.state == str(FailureState.HELD),
            failures.c.idempotent,
            failures.c.command_release_id.is_(None),
        )
        moving = exists().where(
            releases.c.incident_id == incidents.c.id,
            releases.c.command_id.is_(None),
            releases.c.state.not_in([str(state) for state in ENDED]),
        )
        query = select(incidents).where(incidents.c.state == str(IncidentState.PLANNED), waiting, ~moving)
        return [incident_value(row) for row in self._connection.execute(query)]
