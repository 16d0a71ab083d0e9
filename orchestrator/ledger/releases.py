"""Releases, and what they have still to move."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, case, func, select, update

from orchestrator.domain.attempts import IN_FLIGHT, AttemptState
from orchestrator.domain.failures import FailureState
from orchestrator.domain.release import ENDED, Members, Release, ReleaseCounts
from orchestrator.ledger.codec import failure_value, release_row, release_value
from orchestrator.ledger.rows import Rows
from orchestrator.ledger.schema import attempts, failures, releases

if TYPE_CHECKING:
    from uuid import UUID

    from orchestrator.domain.ledger import StoredFailure


class ReleaseRows(Rows):
    """The verbs on releases."""

    def add_release(self, release: Release) -> None:
        """Store a release; the same one again changes nothing."""
        self._insert_new(releases, release_row(release))

    def save_release(self, release: Release) -> None:
        """Store what changed in a release."""
        self._connection.execute(update(releases).where(releases.c.id == release.id).values(**release_row(release)))

    def release(self, release_id: UUID) -> Release | None:
        """Look a release up; its row stays locked until the transaction ends, where the database can."""
        query = select(releases).where(releases.c.id == release_id).with_for_update()
        row = self._connection.execute(query).one_or_none()
        return release_value(row) if row else None

    def releases_of(self, incident_id: UUID) -> list[Release]:
        """List the releases of an incident, oldest first."""
        query = select(releases).where(releases.c.incident_id == incident_id).order_by(releases.c.started_at)
        return [release_value(row) for row in self._connection.execute(query)]

    def active_releases(self) -> list[Release]:
        """List the releases that have not ended."""
        query = select(releases).where(releases.c.state.not_in([str(state) for state in ENDED]))
        return [
            release_value(row)
            for row in self._connection.execute(query.order_by(releases.c.started_at).with_for_update())
        ]

    def members(self, release: Release) -> Members:
        """Count what a release has still to move."""
        held = select(func.count()).select_from(failures).where(_movable(release))
        flying = select(func.count()).where(
            attempts.c.release_id == release.id, attempts.c.state.in_([str(state) for state in IN_FLIGHT])
        )
        return Members(
            held=int(self._connection.execute(held).scalar_one()),
            in_flight=int(self._connection.execute(flying).scalar_one()),
        )

    def held(self, release: Release, limit: int, *, fresh: bool) -> list[StoredFailure]:
        """List the failures that go next: `fresh` those tried least, else those tried most; the oldest of equals."""
        tried = failures.c.attempts if fresh else failures.c.attempts.desc()
        query = select(failures).where(_movable(release)).order_by(tried, failures.c.occurred_at, failures.c.id)
        return [failure_value(row) for row in self._connection.execute(query.limit(limit))]

    def give_up(self, release: Release) -> int:
        """Make dead whatever a release has still to move, and nobody's; gives the number of failures."""
        statement = update(failures).where(_movable(release))
        buried = self._connection.execute(statement.values(state=str(FailureState.DEAD), command_release_id=None))
        return buried.rowcount

    def release_counts(self, release_id: UUID) -> ReleaseCounts:
        """Count a release's attempts."""
        won = attempts.c.state == str(AttemptState.SUCCEEDED)
        first = attempts.c.number == 1
        query = select(_count(first), _count(and_(first, won)), func.count(), _count(won)).where(
            attempts.c.release_id == release_id
        )
        return ReleaseCounts(*(int(number) for number in self._connection.execute(query).one()))


def _movable(release: Release) -> ColumnElement[bool]:
    held = failures.c.state == str(FailureState.HELD)
    if release.command_id is not None:
        return and_(held, failures.c.command_release_id == release.id)
    unclaimed = failures.c.command_release_id.is_(None)
    return and_(held, failures.c.incident_id == release.incident_id, failures.c.idempotent, unclaimed)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)
