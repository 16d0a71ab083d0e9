"""What people ask of the ledger: what is held for whom, and all failures of an incident at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from orchestrator.domain.failures import FailureState
from orchestrator.ledger.attempts import OVER
from orchestrator.ledger.codec import attempt_value, incident_value
from orchestrator.ledger.people import PeopleRows
from orchestrator.ledger.schema import attempts, failures, incidents, releases
from orchestrator.ledger.selecting import selected

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement

    from orchestrator.domain.attempts import Attempt
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.selection import Selection


class OperatingRows(PeopleRows):
    """The verbs behind a person's commands and questions."""

    def states_of(self, incident_id: UUID) -> Mapping[FailureState, int]:
        """Count the failures of an incident by their state."""
        query = select(failures.c.state, func.count()).where(failures.c.incident_id == incident_id)
        return {FailureState(row[0]): row[1] for row in self._reading.execute(query.group_by(failures.c.state))}

    def stands(self, selection: Selection) -> list[tuple[UUID, FailureState, int]]:
        """Count the failures that a selection means, by incident and state."""
        groups = (failures.c.incident_id, failures.c.state)
        query = select(*groups, func.count()).where(self._meant(selection)).group_by(*groups)
        return [(row[0], FailureState(row[1]), row[2]) for row in self._reading.execute(query)]

    def discard(self, selection: Selection, note: str, now: datetime, limit: int) -> list[UUID]:
        """Give up at most so many of the failures that a selection means, saying so on each; gives their ids."""
        connection = self._connection
        # In no order: what was given up is not meant any more, and to sort what is left each time would take long.
        query = select(failures.c.id).where(self._meant(selection)).limit(limit)
        ids = list(connection.execute(query).scalars())
        over = {"state": str(FailureState.DISCARDED), "closed_at": now, "reason": note}
        nobodys = {"pending_since": None, "command_release_id": None}
        if ids:
            connection.execute(update(failures).where(failures.c.id.in_(ids)).values(**over, **nobodys))
        return ids

    def _meant(self, selection: Selection) -> ColumnElement[bool]:
        return selected(selection, self._plain.dialect)

    def leaning_on(self, dependency: str, limit: int) -> list[Incident]:
        """List the incidents of a dependency that are not closed, oldest first."""
        query = select(incidents).where(incidents.c.dependency == dependency, incidents.c.closed_at.is_(None))
        rows = self._reading.execute(query.order_by(incidents.c.opened_at, incidents.c.id).limit(limit))
        return [incident_value(row) for row in rows]

    def open_for(self, dependency: str) -> int:
        """Count the incidents of a dependency that are not closed."""
        query = select(func.count()).select_from(incidents)
        mine = query.where(incidents.c.dependency == dependency, incidents.c.closed_at.is_(None))
        return int(self._reading.execute(mine).scalar_one())

    def held_for(self, dependency: str) -> int:
        """Count the held failures of a dependency's incidents."""
        query = (
            select(func.count())
            .select_from(failures)
            .join(incidents, incidents.c.id == failures.c.incident_id)
            .where(incidents.c.dependency == dependency, failures.c.state == str(FailureState.HELD))
        )
        return int(self._reading.execute(query).scalar_one())

    def attempts_recorded(self, incident_id: UUID, since: datetime, limit: int) -> list[Attempt]:
        """List attempts of an incident's failures that were recorded at this time or later, in that order."""
        return self._attempts_since(incident_id, attempts.c.recorded_at, since, limit)

    def attempts_ended(self, incident_id: UUID, since: datetime, limit: int) -> list[Attempt]:
        """List attempts of an incident's failures that ended at this time or later, in that order."""
        return self._attempts_since(
            incident_id, attempts.c.ended_at, since, limit, attempts.c.state.in_([str(each) for each in OVER])
        )

    def _attempts_since(
        self, incident_id: UUID, when: ColumnElement[datetime], since: datetime, limit: int, *more: ColumnElement[bool]
    ) -> list[Attempt]:
        query = select(attempts).where(_of(incident_id), when >= since, *more).order_by(when, attempts.c.id)
        return [attempt_value(row) for row in self._reading.execute(query.limit(limit))]

    def tasks_waiting(self, incident_id: UUID) -> Mapping[str, int]:
        """Count the held failures of an incident whose task is not declared idempotent, and not asked for, by task."""
        query = select(failures.c.task, func.count()).where(
            failures.c.incident_id == incident_id,
            failures.c.state == str(FailureState.HELD),
            ~failures.c.idempotent,
            failures.c.command_release_id.is_(None),
        )
        return {row[0]: row[1] for row in self._reading.execute(query.group_by(failures.c.task))}


def _of(incident_id: UUID) -> ColumnElement[bool]:
    """Tell the attempts of an incident, by the releases that it has: those are indexed."""
    return attempts.c.release_id.in_(select(releases.c.id).where(releases.c.incident_id == incident_id))
