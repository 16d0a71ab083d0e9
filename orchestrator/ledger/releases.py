"""Releases, and what they have still to move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, select, update

from orchestrator.domain.attempts import IN_FLIGHT, AttemptState
from orchestrator.domain.failures import FailureState
from orchestrator.domain.release import ENDED, LARGEST_BATCH, Members, Release, ReleaseCounts
from orchestrator.ledger.codec import failure_value, release_row, release_value
from orchestrator.ledger.rows import Rows
from orchestrator.ledger.schema import attempts, failures, releases
from orchestrator.ledger.searching import in_order
from orchestrator.ledger.settling import settle_given_up

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.standing import StoredFailure

# More than one step redrives.
MOST_COUNTED: Final = LARGEST_BATCH + 1
# Pages in which those that were never tried are looked for among others.
PAGES: Final = 4


class ReleaseRows(Rows):
    """The verbs on releases."""

    def add_release(self, release: Release) -> None:
        """Store a release; the same one again changes nothing."""
        self._insert_new(releases, release_row(release))

    def save_release(self, release: Release) -> None:
        """Store what changed in a release."""
        self._kept.releases.save(release.id, release)

    def release(self, release_id: UUID) -> Release | None:
        """Look a release up."""
        return self._kept.releases.look_up(self._plain, release_id)

    def releases_of(self, incident_id: UUID) -> list[Release]:
        """List the releases of an incident, oldest first."""
        query = select(releases).where(releases.c.incident_id == incident_id).order_by(releases.c.started_at)
        return [release_value(row) for row in self._reading.execute(query)]

    def active_releases(self) -> list[Release]:
        """List the releases that have not ended."""
        query = select(releases).where(releases.c.state.not_in([str(state) for state in ENDED]))
        return [release_value(row) for row in self._reading.execute(query.order_by(releases.c.started_at))]

    def members(self, release: Release) -> Members:
        """Count what a release has still to move; MOST_COUNTED held ones are all that a step needs to know of."""
        some = select(literal(1)).select_from(failures).where(_movable(release)).limit(MOST_COUNTED)
        held = select(func.count()).select_from(some.subquery())
        flying = select(func.count()).where(
            attempts.c.release_id == release.id, attempts.c.state.in_([str(state) for state in IN_FLIGHT])
        )
        return Members(
            held=int(self._reading.execute(held).scalar_one()),
            in_flight=int(self._reading.execute(flying).scalar_one()),
        )

    def held(self, release: Release, limit: int, *, fresh: bool) -> list[StoredFailure]:
        """List the failures that go next: `fresh` those tried least, else those tried most; the oldest of equals."""
        oldest = in_order(newest=release.newest)
        tries = failures.c.attempts - failures.c.attempts_before
        if fresh:
            found = self._untried(release, limit)
        elif release.command_id:
            # However much a person has claimed: what its own redrives brought back goes first, and that is little.
            found = self._failures(self._brought_back(release).order_by(tries.desc(), *oldest).limit(limit))
            found += self._untried(release, limit - len(found)) if len(found) < limit else []
        else:
            found = []
        if len(found) == limit:
            return found
        tried = tries if fresh else tries.desc()
        return self._failures(select(failures).where(_movable(release)).order_by(tried, *oldest).limit(limit))

    def _untried(self, release: Release, limit: int) -> list[StoredFailure]:
        """List those that were never tried, in order: nobody is tried less.

        The index has them all in order, tried or not; a database that is asked for the untried alone may sort them all.
        """
        query = select(failures).where(_movable(release)).order_by(*in_order(newest=release.newest)).limit(limit)
        found: list[StoredFailure] = []
        for page in range(PAGES):
            rows = self._failures(query.offset(page * limit))
            found += [each for each in rows if each.tries == 0]
            if len(found) >= limit or len(rows) < limit:
                return found[:limit]
        never = failures.c.attempts == failures.c.attempts_before
        return self._failures(query.where(never))

    def _brought_back(self, release: Release) -> Select[Any]:
        ended = [str(AttemptState.FAILED), str(AttemptState.LOST)]
        mine = select(attempts.c.failure_id).where(attempts.c.release_id == release.id, attempts.c.state.in_(ended))
        return select(failures).where(_movable(release), failures.c.id.in_(mine), failures.c.attempts > 0)

    def _failures(self, query: Select[Any]) -> list[StoredFailure]:
        shelf = self._kept.failures
        return [shelf.learn(row.id, failure_value(row)) for row in self._reading.execute(query).all()]

    def give_up(self, release: Release, reason: str, now: datetime) -> int:
        """Make dead whatever a release has still to move, and nobody's; gives the number of failures."""
        dead = {"state": str(FailureState.DEAD), "command_release_id": None, "closed_at": now, "reason": reason}
        if release.command_id:
            settle_given_up(self._connection, release.id)
        return self._connection.execute(update(failures).where(_movable(release)).values(**dead)).rowcount

    def release_counts(self, release_id: UUID) -> ReleaseCounts:
        """Count a release's attempts, those that retention took included."""
        won = attempts.c.state == str(AttemptState.SUCCEEDED)
        first = attempts.c.turn == 1
        here = select(_count(first), _count(and_(first, won)), func.count(), _count(won)).where(
            attempts.c.release_id == release_id
        )
        table = releases.c
        gone = select(
            table.purged_first_attempts, table.purged_first_successes, table.purged_attempts, table.purged_successes
        ).where(table.id == release_id)
        purged = self._reading.execute(gone).one_or_none() or (0, 0, 0, 0)
        counted = self._reading.execute(here).one()
        return ReleaseCounts(*(int(one) + int(other) for one, other in zip(counted, purged, strict=True)))


def _movable(release: Release) -> ColumnElement[bool]:
    held = failures.c.state == str(FailureState.HELD)
    if release.command_id is not None:
        return and_(held, failures.c.command_release_id == release.id)
    unclaimed = failures.c.command_release_id.is_(None)
    return and_(held, failures.c.incident_id == release.incident_id, failures.c.idempotent, unclaimed)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)
