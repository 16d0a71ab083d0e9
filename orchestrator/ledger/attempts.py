"""Attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Select, and_, func, select, update

from orchestrator.domain.attempts import IN_FLIGHT, Attempt, AttemptState
from orchestrator.domain.failures import FailureState
from orchestrator.domain.ledger import FirstRetry
from orchestrator.ledger.codec import attempt_row, attempt_value
from orchestrator.ledger.rows import Rows
from orchestrator.ledger.schema import attempts, failures

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement


class AttemptRows(Rows):
    """The verbs on attempts."""

    def add_attempt(self, attempt: Attempt) -> None:
        """Store an attempt; the same one again changes nothing."""
        if self._insert_new(attempts, attempt_row(attempt)):
            row = update(failures).where(failures.c.id == attempt.failure_id)
            self._connection.execute(row.values(state=str(FailureState.RELEASED), attempts=attempt.number))

    def attempt(self, attempt_id: UUID) -> Attempt | None:
        """Look an attempt up; its row stays locked until the transaction ends, where the database can."""
        query = select(attempts).where(attempts.c.id == attempt_id).with_for_update()
        row = self._connection.execute(query).one_or_none()
        return attempt_value(row) if row else None

    def save_attempt(self, attempt: Attempt) -> None:
        """Store what changed in an attempt."""
        self._connection.execute(update(attempts).where(attempts.c.id == attempt.id).values(**attempt_row(attempt)))

    def attempts_of(self, failure_id: UUID) -> list[Attempt]:
        """List the attempts of a failure, first one first."""
        return self._list(attempts.c.failure_id == failure_id)

    def mark_published(self, attempt_ids: Iterable[UUID], now: datetime) -> None:
        """Note that attempts are on the bus, unless their outcome has come already."""
        recorded = attempts.c.state == str(AttemptState.RECORDED)
        statement = update(attempts).where(attempts.c.id.in_(list(attempt_ids)), recorded)
        self._connection.execute(statement.values(state=str(AttemptState.PUBLISHED), published_at=now))

    def unpublished(self, recorded_before: datetime, limit: int) -> list[Attempt]:
        """List attempts that were recorded and perhaps never published."""
        recorded = attempts.c.state == str(AttemptState.RECORDED)
        return self._list(and_(recorded, attempts.c.recorded_at < recorded_before), limit)

    def without_outcome(self, published_before: datetime, limit: int) -> list[Attempt]:
        """List attempts whose outcome never came."""
        published = attempts.c.state == str(AttemptState.PUBLISHED)
        return self._list(and_(published, attempts.c.published_at < published_before), limit)

    def first_retry(self) -> FirstRetry:
        """Count first attempts over all releases."""
        first = attempts.c.number == 1
        flying = attempts.c.state.in_([str(state) for state in IN_FLIGHT])
        untouched = and_(failures.c.attempts == 0, failures.c.state == str(FailureState.HELD))
        return FirstRetry(
            first_attempts=self._number(select(func.count()).where(first)),
            first_successes=self._number(
                select(func.count()).where(first, attempts.c.state == str(AttemptState.SUCCEEDED))
            ),
            first_in_flight=self._number(select(func.count()).where(first, flying)),
            never_released=self._number(select(func.count()).where(untouched)),
            duplicates=self._number(select(func.coalesce(func.sum(attempts.c.duplicates), 0))),
        )

    def _number(self, query: Select[int]) -> int:
        return int(self._connection.execute(query).scalar_one())

    def _list(self, where: ColumnElement[bool], limit: int = 10_000) -> list[Attempt]:
        query = select(attempts).where(where).order_by(attempts.c.recorded_at, attempts.c.number).limit(limit)
        return [attempt_value(row) for row in self._connection.execute(query)]
