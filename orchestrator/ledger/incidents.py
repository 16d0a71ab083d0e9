"""Incidents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, exists, func, or_, select, update

from orchestrator.domain.failures import FailureState
from orchestrator.domain.incidents import Incident, IncidentState
from orchestrator.domain.release import ENDED
from orchestrator.ledger.codec import incident_row, incident_value
from orchestrator.ledger.schema import failures, incidents, releases
from orchestrator.ledger.totals import INCIDENTS, TotalRows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

# Keys that one statement names.
AT_ONCE = 500


class IncidentRows(TotalRows):
    """The verbs on incidents."""

    def open_incident(self, signature: str, dependency: str | None) -> Incident | None:
        """Find the incident that takes in failures which look like this."""
        looks = (signature, dependency or "")
        if looks not in self._kept.taking_in:
            table = incidents.c
            query = select(incidents).where(
                table.signature == signature, table.dependency_key == (dependency or ""), table.closed_at.is_(None)
            )
            row = self._reading.execute(query).one_or_none()
            if row is None:
                return None
            self._kept.taking_in[looks] = self._kept.incidents.learn(row.id, incident_value(row)).id
        incident = self.incident(self._kept.taking_in[looks])
        if incident and not incident.closed:
            return incident
        del self._kept.taking_in[looks]
        return None

    def incident(self, incident_id: UUID) -> Incident | None:
        """Look an incident up."""
        return self._kept.incidents.look_up(self._plain, incident_id)

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
        return [incident_value(row) for row in self._reading.execute(query)]

    def add_incident(self, incident: Incident) -> bool:
        """Store a new incident; False when one that takes in the same failures is open already."""
        self._kept.incidents.known.pop(incident.id, None)
        return self._insert_new(incidents, incident_row(incident), forget=False)

    def save_incident(self, incident: Incident) -> None:
        """Store what changed in an incident."""
        self._kept.incidents.save(incident.id, incident)

    def acknowledge_incidents(self, incident_ids: Sequence[UUID], actor: str, at: datetime) -> None:
        """Note that somebody knows of these: each has another revision."""
        known = {"acknowledged_by": actor, "acknowledged_at": at, "revision": incidents.c.revision + 1}
        for first in range(0, len(incident_ids), AT_ONCE):
            these = incidents.c.id.in_(incident_ids[first : first + AT_ONCE])
            self._connection.execute(update(incidents).where(these).values(known))

    def incident_counts(self) -> Mapping[str, int]:
        """Count all incidents by their state."""
        query = select(incidents.c.state, func.count()).group_by(incidents.c.state)
        return self._with_totals(INCIDENTS, {row[0]: row[1] for row in self._reading.execute(query)})

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
        return [incident_value(row) for row in self._reading.execute(query)]
