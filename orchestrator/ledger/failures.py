"""Failures and the evidence for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, func, or_, select, update

from orchestrator.domain.failures import OPEN_FAILURES, FailureState, Kind, Way
from orchestrator.ledger.codec import failure_value
from orchestrator.ledger.schema import evidence, failures
from orchestrator.ledger.totals import FAILURE_STATES, TotalRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.standing import StoredFailure


class FailureRows(TotalRows):
    """The verbs on failures."""

    def first_sight(
        self,
        event_id: str,
        failure_id: UUID | None,
        attempt_id: UUID | None,
        now: datetime,
        redelivered_at: datetime | None = None,
    ) -> bool:
        """File an event as evidence; False when it was filed before."""
        row = {"event_id": event_id, "failure_id": failure_id, "attempt_id": attempt_id, "seen_at": now}
        if event_id not in self._kept.seen or redelivered_at:
            if failure_id:
                self._kept.redelivered.pop(failure_id, None)
            return self._insert_new(evidence, row | {"redelivered_at": redelivered_at}, forget=False)
        if self._kept.seen[event_id]:
            return False
        self._kept.seen[event_id] = True
        self._kept.evidence.append(row | {"redelivered_at": None})
        return True

    def recall(self, event_ids: Sequence[str], failure_ids: Iterable[UUID], attempt_ids: Iterable[UUID]) -> None:
        """Read in a few statements what a batch is going to ask for one by one; changes nothing."""
        kept, wanted = self._kept, list(attempt_ids)
        kept.attempts.recall(self._plain, wanted)
        redriven = [each.failure_id for each in map(kept.attempts.known.get, wanted) if each]
        failed = list(failure_ids)
        kept.failures.recall(self._plain, [*failed, *redriven])
        known = select(evidence.c.event_id).where(evidence.c.event_id.in_(event_ids))
        kept.seen |= dict.fromkeys(event_ids, False) | dict.fromkeys(self._reading.execute(known).scalars(), True)
        ended = evidence.c.redelivered_at.is_not(None)
        query = select(evidence.c.failure_id, func.max(evidence.c.redelivered_at)).where(ended)
        rows = self._plain.execute(query.where(evidence.c.failure_id.in_(failed)).group_by(evidence.c.failure_id))
        kept.redelivered |= dict.fromkeys(failed) | {row[0]: row[1] for row in rows}

    def redelivered(self, failure_id: UUID) -> datetime | None:
        """Tell when a redelivered run of a failure's message ended well, the last one."""
        if failure_id in self._kept.redelivered:
            return self._kept.redelivered[failure_id]
        query = select(func.max(evidence.c.redelivered_at)).where(evidence.c.failure_id == failure_id)
        ended: datetime | None = self._reading.execute(query).scalar_one()
        return ended

    def add_failure(self, stored: StoredFailure) -> None:
        """Store a failure that was not known."""
        self._kept.failures.add(stored.failure.id, stored)
        if stored.failure.arguments:
            self._kept.arguments[stored.failure.id] = stored.failure.arguments

    def save_failure(self, stored: StoredFailure) -> None:
        """Store what changed in a failure."""
        shelf = self._kept.failures
        before = shelf.known.get(stored.failure.id)
        if before and before.failure.arguments != stored.failure.arguments:
            self._kept.changed_arguments.add(stored.failure.id)
            self._kept.arguments.pop(stored.failure.id, None)
            if stored.failure.arguments:
                self._kept.arguments[stored.failure.id] = stored.failure.arguments
        if not stored.open and (before is None or before.command_release_id):
            self._kept.leave(stored.failure.id, stored.state)
        shelf.save(stored.failure.id, stored, whole=before is None or before.failure is not stored.failure)

    def failure(self, failure_id: UUID) -> StoredFailure | None:
        """Look a failure up by its id."""
        return self._kept.failures.look_up(self._plain, failure_id)

    def failure_of_task(self, task_id: str) -> StoredFailure | None:
        """Look up the newest failure of a task."""
        query = select(failures).where(failures.c.task_id == task_id).order_by(failures.c.occurred_at.desc()).limit(1)
        row = self._reading.execute(query).one_or_none()
        return failure_value(row) if row else None

    def pending(self, since_before: datetime, limit: int, after: StoredFailure | None = None) -> list[StoredFailure]:
        """List the failures whose message the broker has held since before this time, the longest first."""
        query = select(failures).where(
            failures.c.state == str(FailureState.REDELIVERY_PENDING), failures.c.pending_since < since_before
        )
        if after:
            same = and_(failures.c.pending_since == after.pending_since, failures.c.id > after.failure.id)
            query = query.where(or_(failures.c.pending_since > after.pending_since, same))
        rows = self._reading.execute(query.order_by(failures.c.pending_since, failures.c.id).limit(limit))
        return [failure_value(row) for row in rows]

    def tasks_that_failed(self, task_ids: Sequence[str]) -> set[str]:
        """Tell which of these tasks have a failure, whatever became of it."""
        query = select(failures.c.task_id).where(failures.c.task_id.in_(list(task_ids)))
        return set(self._reading.execute(query).scalars())

    def orphans(self, since: datetime, limit: int, after: StoredFailure | None = None) -> list[StoredFailure]:
        """List failures of which nothing but their loss is known, and that are not over, oldest first."""
        over = [str(FailureState.RECOVERED), str(FailureState.DISCARDED)]
        query = select(failures).where(
            failures.c.captured == str(Way.ORPHANED), failures.c.occurred_at >= since, failures.c.state.not_in(over)
        )
        if after:
            when = after.failure.occurred_at
            same = and_(failures.c.occurred_at == when, failures.c.id > after.failure.id)
            query = query.where(or_(failures.c.occurred_at > when, same))
        rows = self._reading.execute(query.order_by(failures.c.occurred_at, failures.c.id).limit(limit))
        return [failure_value(row) for row in rows]

    def kinds_open(self, incident_id: UUID) -> Mapping[Kind, int]:
        """Count the failures of an incident that can be moved, held and released ones, by their kind."""
        movable = failures.c.state.in_([str(FailureState.HELD), str(FailureState.RELEASED)])
        query = select(failures.c.kind, func.count()).where(failures.c.incident_id == incident_id, movable)
        return {Kind(row[0]): row[1] for row in self._reading.execute(query.group_by(failures.c.kind))}

    def claim(self, failure_ids: Iterable[UUID], command_release_id: UUID | None) -> None:
        """Reserve failures for the release that a person asked for; None gives them back."""
        statement = update(failures).where(failures.c.id.in_(list(failure_ids)))
        self._connection.execute(statement.values(command_release_id=command_release_id))

    def open_failures(self, incident_id: UUID) -> int:
        """Count the failures of an incident that are neither recovered, discarded nor dead."""
        return self._count(incident_id, OPEN_FAILURES)

    def any_open(self, incident_id: UUID, beside: UUID | None = None) -> bool:
        """Tell whether an incident has failures, `beside` one, that are neither recovered, discarded nor dead."""
        shelf = self._kept.failures
        for each in shelf.known.values():
            if each and each.incident_id == incident_id and each.open and each.failure.id != beside:
                return True
        here = and_(failures.c.incident_id == incident_id, failures.c.state.in_(OPEN_FAILURES))
        # Of those that are known none is: so many rows may say otherwise until they are written.
        query = select(failures.c.id).where(here).limit(shelf.unwritten + 2)
        return any(each != beside and each not in shelf.known for each in self._plain.execute(query).scalars())

    def dead_failures(self, incident_id: UUID) -> int:
        """Count the failures of an incident that wait for a person."""
        return self._count(incident_id, {FailureState.DEAD})

    def not_idempotent(self, incident_id: UUID) -> int:
        """Count the held failures of an incident whose task may not run twice."""
        query = select(func.count()).where(
            failures.c.incident_id == incident_id, failures.c.state == str(FailureState.HELD), ~failures.c.idempotent
        )
        return int(self._reading.execute(query).scalar_one())

    def _count(self, incident_id: UUID, states: Iterable[FailureState]) -> int:
        query = select(func.count()).where(failures.c.incident_id == incident_id, failures.c.state.in_(states))
        return int(self._reading.execute(query).scalar_one())

    def failures_of(self, incident_id: UUID, limit: int, after: UUID | None = None) -> list[StoredFailure]:
        """List the failures of an incident, oldest first, behind the one with the id `after`."""
        query = select(failures).where(failures.c.incident_id == incident_id)
        last = self.failure(after) if after else None
        if last:
            when = last.failure.occurred_at
            same = and_(failures.c.occurred_at == when, failures.c.id > after)
            query = query.where(or_(failures.c.occurred_at > when, same))
        ordered = query.order_by(failures.c.occurred_at, failures.c.id).limit(limit)
        return [failure_value(row) for row in self._reading.execute(ordered)]

    def failure_counts(self) -> Mapping[str, int]:
        """Count all failures by their state."""
        query = select(failures.c.state, func.count()).group_by(failures.c.state)
        counted = {row[0]: row[1] for row in self._reading.execute(query)}
        return self._with_totals(FAILURE_STATES, counted)
