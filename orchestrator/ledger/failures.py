"""Failures and the evidence for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, func, insert, or_, select, update

from orchestrator.domain.failures import OPEN_FAILURES, Failure, FailureState, Kind
from orchestrator.ledger.codec import failure_row, failure_value
from orchestrator.ledger.rows import Rows
from orchestrator.ledger.schema import evidence, failures

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from orchestrator.domain.ledger import StoredFailure


class FailureRows(Rows):
    """The verbs on failures."""

    def first_sight(self, event_id: str, failure_id: UUID | None, attempt_id: UUID | None) -> bool:
        """File an event as evidence; False when it was filed before."""
        row = {"event_id": event_id, "failure_id": failure_id, "attempt_id": attempt_id}
        return self._insert_new(evidence, row)

    def add_failure(self, failure: Failure, incident_id: UUID, kind: Kind, *, idempotent: bool) -> None:
        """Store a failure, held."""
        row = failure_row(failure) | {"incident_id": incident_id, "kind": str(kind), "idempotent": idempotent}
        self._connection.execute(insert(failures).values(**row, state=str(FailureState.HELD), attempts=0))

    def failure(self, failure_id: UUID) -> StoredFailure | None:
        """Look a failure up by its id."""
        row = self._connection.execute(select(failures).where(failures.c.id == failure_id)).one_or_none()
        return failure_value(row) if row else None

    def failure_of_task(self, task_id: str) -> StoredFailure | None:
        """Look up the newest failure of a task."""
        query = select(failures).where(failures.c.task_id == task_id).order_by(failures.c.occurred_at.desc()).limit(1)
        row = self._connection.execute(query).one_or_none()
        return failure_value(row) if row else None

    def set_failure_state(self, failure_ids: Iterable[UUID], state: FailureState) -> None:
        """Move failures to a state."""
        self._connection.execute(update(failures).where(failures.c.id.in_(list(failure_ids))).values(state=str(state)))

    def claim(self, failure_ids: Iterable[UUID], command_release_id: UUID | None) -> None:
        """Reserve failures for the release that a person asked for; None gives them back."""
        statement = update(failures).where(failures.c.id.in_(list(failure_ids)))
        self._connection.execute(statement.values(command_release_id=command_release_id))

    def open_failures(self, incident_id: UUID) -> int:
        """Count the failures of an incident that are neither recovered, discarded nor dead."""
        return self._count(incident_id, OPEN_FAILURES)

    def dead_failures(self, incident_id: UUID) -> int:
        """Count the failures of an incident that wait for a person."""
        return self._count(incident_id, {FailureState.DEAD})

    def _count(self, incident_id: UUID, states: Iterable[FailureState]) -> int:
        query = select(func.count()).where(failures.c.incident_id == incident_id, failures.c.state.in_(states))
        return int(self._connection.execute(query).scalar_one())

    def failures_of(self, incident_id: UUID, limit: int, after: UUID | None = None) -> list[StoredFailure]:
        """List the failures of an incident, oldest first, behind the one with the id `after`."""
        query = select(failures).where(failures.c.incident_id == incident_id)
        last = self.failure(after) if after else None
        if last:
            when = last.failure.occurred_at
            same = and_(failures.c.occurred_at == when, failures.c.id > after)
            query = query.where(or_(failures.c.occurred_at > when, same))
        ordered = query.order_by(failures.c.occurred_at, failures.c.id).limit(limit)
        return [failure_value(row) for row in self._connection.execute(ordered)]

    def failure_counts(self) -> Mapping[str, int]:
        """Count all failures by their state."""
        query = select(failures.c.state, func.count()).group_by(failures.c.state)
        return {row[0]: row[1] for row in self._connection.execute(query)}
