"""Attempts."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING, Final

from sqlalchemy import Select, and_, exists, func, select, update

from orchestrator.domain.attempts import IN_FLIGHT, Attempt, AttemptState
from orchestrator.domain.failures import FailureState
from orchestrator.domain.routes.measures import Measured
from orchestrator.domain.routes.targets import HOME
from orchestrator.domain.tallies import FirstRetry
from orchestrator.ledger.codec import attempt_value
from orchestrator.ledger.schema import attempts, failures
from orchestrator.ledger.totals import DUPLICATES, TotalRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement

OVER: Final = (AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.LOST)
# Attempts that the figures of routes are made of: what is older tells less, and a decision must not wait for them.
MOST_MEASURED: Final = 1_000


class AttemptRows(TotalRows):
    """The verbs on attempts."""

    def add_attempt(self, attempt: Attempt) -> None:
        """Store an attempt; the same one again changes nothing."""
        shelf, stored = self._kept.failures, self._kept.failures.look_up(self._plain, attempt.failure_id)
        if stored is None or stored.attempts < attempt.number:
            self._kept.attempts.add(attempt.id, attempt)
        if stored and stored.attempts < attempt.number:
            released = replace(stored, state=FailureState.RELEASED, attempts=attempt.number)
            shelf.save(attempt.failure_id, released, whole=False)

    def attempt(self, attempt_id: UUID) -> Attempt | None:
        """Look an attempt up."""
        return self._kept.attempts.look_up(self._plain, attempt_id)

    def save_attempt(self, attempt: Attempt) -> None:
        """Store what changed in an attempt."""
        before = self._kept.attempts.known.get(attempt.id)
        if before and before.state is AttemptState.LOST and attempt.state is AttemptState.SUCCEEDED:
            self._kept.late.add(attempt.failure_id)  # its failure may have left its recovery
        self._kept.attempts.save(attempt.id, attempt)

    def attempts_of(self, failure_id: UUID) -> list[Attempt]:
        """List the attempts of a failure, first one first."""
        return self._list(attempts.c.failure_id == failure_id)

    def mark_published(self, attempt_ids: Iterable[UUID], now: datetime) -> None:
        """Note that attempts are on the bus, unless their outcome has come already."""
        recorded = attempts.c.state == str(AttemptState.RECORDED)
        ids = list(attempt_ids)
        statement = update(attempts).where(attempts.c.id.in_(ids), recorded)
        self._reading.execute(statement.values(state=str(AttemptState.PUBLISHED), published_at=now))
        self._kept.attempts.forget(ids)

    def unpublished(self, recorded_before: datetime, limit: int) -> list[Attempt]:
        """List attempts that were recorded and perhaps never published."""
        recorded = attempts.c.state == str(AttemptState.RECORDED)
        return self._list(and_(recorded, attempts.c.recorded_at < recorded_before), limit)

    def without_outcome(self, published_before: datetime, limit: int) -> list[Attempt]:
        """List attempts whose outcome never came."""
        published = attempts.c.state == str(AttemptState.PUBLISHED)
        # One whose message the broker will deliver again has its outcome still to come, however late.
        comes = exists().where(
            failures.c.id == attempts.c.failure_id, failures.c.state == str(FailureState.REDELIVERY_PENDING)
        )
        silent = and_(published, attempts.c.ended_at.is_(None), attempts.c.published_at < published_before)
        return self._list(and_(silent, ~comes), limit)

    def unexplained(self, told_before: datetime, limit: int) -> list[Attempt]:
        """List attempts in flight whose run is known to have failed, and not with what."""
        published = attempts.c.state == str(AttemptState.PUBLISHED)
        return self._list(and_(published, attempts.c.ended_at < told_before), limit)

    def route_figures(self, since: datetime) -> Mapping[str, Measured]:
        """Measure targets of routes by name, over the newest attempts that ended `since`; home is none."""
        ended, table = [str(state) for state in OVER], attempts.c
        query = select(table.route, table.state, table.published_at, table.ended_at).where(
            table.route.is_not(None), table.route != HOME, table.state.in_(ended), table.ended_at >= since
        )
        rows = self._reading.execute(query.order_by(table.ended_at.desc()).limit(MOST_MEASURED))
        by_route: dict[str, list[tuple[bool, float | None]]] = defaultdict(list)
        for route, state, published_at, ended_at in rows:
            seconds = (ended_at - published_at).total_seconds() if published_at else None
            by_route[route].append((state == AttemptState.SUCCEEDED, seconds))
        return {name: _measured(runs) for name, runs in by_route.items()}

    def first_retry(self) -> FirstRetry:
        """Count first attempts over all releases, those that retention took included."""
        first: Counter[str] = Counter()
        for (_plan, state, turn), number in self._attempts_with_totals().items():
            first[state] += number if turn == 1 else 0
        untouched = and_(failures.c.attempts == failures.c.attempts_before, failures.c.state == str(FailureState.HELD))
        twice = select(func.coalesce(func.sum(attempts.c.duplicates), 0))
        return FirstRetry(
            first_attempts=first.total(),
            first_successes=first[str(AttemptState.SUCCEEDED)],
            first_in_flight=sum(first[str(state)] for state in IN_FLIGHT),
            never_released=self._number(select(func.count()).where(untouched)),
            duplicates=self._number(twice) + self._totals(DUPLICATES).get("", 0),
        )

    def _number(self, query: Select[int]) -> int:
        return int(self._connection.execute(query).scalar_one())

    def _list(self, where: ColumnElement[bool], limit: int = 10_000) -> list[Attempt]:
        query = select(attempts).where(where).order_by(attempts.c.recorded_at, attempts.c.number).limit(limit)
        return [attempt_value(row) for row in self._reading.execute(query)]


def _measured(runs: Sequence[tuple[bool, float | None]]) -> Measured:
    """Count runs; the time is that of those which went well, for one that is refused at once is not quick."""
    times = [seconds for went_well, seconds in runs if went_well and seconds is not None]
    return Measured(sum(went_well for went_well, _ in runs), len(runs), fmean(times) if times else None)
