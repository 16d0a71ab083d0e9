"""The ledger's rows of recoveries of many failures at once, and what became of each."""

from __future__ import annotations

from collections import Counter
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Uuid, and_, case, exists, func, insert, literal, or_, select, update

from orchestrator.domain.attempts import IN_FLIGHT, AttemptState
from orchestrator.domain.failures import FailureState
from orchestrator.domain.recoveries import ItemOutcome, Order, Progress, Recovery, RecoveryState, progress_of
from orchestrator.domain.release import ENDED, ReleaseCounts
from orchestrator.ledger.codec import release_row, release_value
from orchestrator.ledger.recovering_schema import recoveries, recovery_items
from orchestrator.ledger.recovery_codec import recovery_row, recovery_value
from orchestrator.ledger.rows import Rows
from orchestrator.ledger.schema import attempts, failure_arguments, failures, incidents, releases
from orchestrator.ledger.searching import in_order
from orchestrator.ledger.selecting import can_go, selected
from orchestrator.ledger.settling import owner_of_held, settle, standing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, Select

    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.release import Release
    from orchestrator.domain.searching import Judging
    from orchestrator.domain.selection import Selection

_items = recovery_items.c
# Runs that are measured, and the newest releases that they are looked for in.
MOST_RUNS: Final = 200
MOST_RELEASES: Final = 20
# Keys in one statement: SQLite takes 32,766 values, PostgreSQL 65,535.
MOST_NAMED: Final = 5_000
HELD = str(FailureState.HELD)


def batched(keys: Collection[UUID]) -> Iterator[Sequence[UUID]]:
    """Give keys in parts that a statement can name."""
    listed = list(keys)
    return (listed[start : start + MOST_NAMED] for start in range(0, len(listed), MOST_NAMED))


def _number(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


class RecoveringRows(Rows):
    """The verbs on recoveries of many failures at once, and what became of each."""

    def add_recovery(self, recovery: Recovery) -> None:
        """Store a recovery."""
        self._connection.execute(insert(recoveries).values(**recovery_row(recovery), purged={}))

    def save_recovery(self, recovery: Recovery) -> None:
        """Store what changed in a recovery."""
        self._update(recoveries, recovery_row(recovery))

    def recovery(self, recovery_id: UUID) -> Recovery | None:
        """Look a recovery up, by its id, which is that of its command."""
        row = self._reading.execute(select(recoveries).where(recoveries.c.id == recovery_id)).one_or_none()
        return recovery_value(row) if row else None

    def recoveries(self, states: Sequence[RecoveryState], limit: int, after: Recovery | None = None) -> list[Recovery]:
        """List recoveries in these states (all when empty), newest first, behind `after`."""
        table = recoveries.c
        query = select(recoveries)
        if states:
            query = query.where(table.state.in_([str(each) for each in states]))
        if after:
            same = and_(table.created_at == after.created_at, table.id < after.id)
            query = query.where(or_(table.created_at < after.created_at, same))
        rows = self._reading.execute(query.order_by(table.created_at.desc(), table.id.desc()).limit(limit))
        return [recovery_value(row) for row in rows]

    def releases_by(self, command_id: UUID) -> list[Release]:
        """List the releases that a command has opened, one for each incident."""
        query = select(releases).where(releases.c.command_id == command_id).order_by(releases.c.started_at)
        return [release_value(row) for row in self._reading.execute(query.order_by(releases.c.id))]

    def add_releases(self, opened: Sequence[Release]) -> None:
        """Store releases that nobody has yet, however many, at once."""
        if opened:
            self._reading.execute(insert(releases), [release_row(each) for each in opened])

    def incidents_by(self, incident_ids: Collection[UUID]) -> list[Incident]:
        """Look incidents up, however many, at once: those that are there, in the order of the ids."""
        shelf = self._kept.incidents
        for some in batched(incident_ids):
            shelf.recall(self._plain, some)
        return [found for each in incident_ids if (found := shelf.known[each])]

    def counts_by(self, command_id: UUID) -> Mapping[UUID, ReleaseCounts]:
        """Count the attempts of each release of a command, those that retention took included."""
        table, won, first = releases.c, attempts.c.state == str(AttemptState.SUCCEEDED), attempts.c.turn == 1
        gone = (
            table.purged_first_attempts,
            table.purged_first_successes,
            table.purged_attempts,
            table.purged_successes,
        )
        here = (_number(first), _number(and_(first, won)), func.count(attempts.c.id), _number(won))
        query = select(table.id, *(one + other for one, other in zip(gone, here, strict=True)))
        query = query.select_from(releases.outerjoin(attempts, attempts.c.release_id == table.id))
        query = query.where(table.command_id == command_id).group_by(table.id, *gone)
        return {row[0]: ReleaseCounts(*map(int, row[1:])) for row in self._reading.execute(query)}

    def flying_by(self, command_id: UUID) -> AbstractSet[UUID]:
        """Name the releases of a command of which redrives are out."""
        its = select(releases.c.id).where(releases.c.command_id == command_id)
        out = attempts.c.state.in_([str(state) for state in IN_FLIGHT])
        query = select(attempts.c.release_id).where(attempts.c.release_id.in_(its), out).distinct()
        return set(self._reading.execute(query).scalars())

    def runs_for(self, command_id: UUID) -> bool:
        """Tell whether a command has a release that has not ended."""
        running = releases.c.state.not_in([str(state) for state in ENDED])
        query = select(releases.c.id).where(releases.c.command_id == command_id, running).limit(1)
        return self._reading.execute(query).first() is not None

    def claim_selected(self, recovery: Recovery, judging: Judging) -> int:
        """Write down which failures are a recovery's, and reserve them for its releases. Gives their number."""
        connection = self._connection
        names = ("recovery_id", "failure_id", "incident_id", "release_id", "taken_from", "reason")
        connection.execute(insert(recovery_items).from_select(names, self._going(recovery, judging)))
        # What is held already keeps all but its owner: the indexes on the rest are left alone.
        mine = and_(failures.c.id == _items.failure_id, _items.recovery_id == recovery.id)
        held, owned = _items.taken_from == HELD, {"command_release_id": _items.release_id}
        again = {"state": HELD, "closed_at": None, "reason": None, "pending_since": None}
        claimed = connection.execute(update(failures).where(mine, held).values(**owned)).rowcount
        return claimed + connection.execute(update(failures).where(mine, ~held).values(**owned, **again)).rowcount

    def _going(self, recovery: Recovery, judging: Judging) -> Select[Any]:
        table, order = failures.c, in_order(newest=recovery.order is Order.NEWEST)
        mine = and_(releases.c.command_id == recovery.id, releases.c.incident_id == table.incident_id)
        columns = (table.id, table.incident_id, releases.c.id, table.state, table.reason)
        query = select(literal(recovery.id, Uuid()), *columns).select_from(failures.join(releases, mine))
        query = query.where(selected(recovery.selection, self._plain.dialect), can_go(judging))
        return query if recovery.limit is None else query.order_by(*order).limit(recovery.limit)

    def all_tell(self, selection: Selection, name: str) -> bool:
        """Tell whether the worker of every failure that a selection means has let the value of this argument out."""
        mine = failure_arguments.c
        known = exists().where(mine.failure_id == failures.c.id, mine.name == name)
        query = select(failures.c.id).where(selected(selection, self._plain.dialect), ~known).limit(1)
        return self._reading.execute(query).first() is None

    def progress(self, recovery_id: UUID) -> Progress:
        """Count what became of a recovery's failures, those that retention took included."""
        became = standing().label("became")
        query = select(became, func.count()).where(_items.recovery_id == recovery_id).group_by(became)
        counted = Counter({row[0]: row[1] for row in self._reading.execute(query)})
        gone = self._plain.execute(select(recoveries.c.purged).where(recoveries.c.id == recovery_id)).scalar()
        return progress_of(counted + Counter(gone or {}))

    def run_seconds(self, tasks: Sequence[str], since: datetime) -> tuple[int, float | None]:
        """Measure how long redrives of these tasks ran that ended well `since`: their number and the mean."""
        table = attempts.c
        of_tasks = select(incidents.c.id).where(incidents.c.task.in_(tasks))
        newest = select(releases.c.id).where(releases.c.incident_id.in_(of_tasks))
        newest = newest.order_by(releases.c.started_at.desc()).limit(MOST_RELEASES)
        won = and_(table.state == str(AttemptState.SUCCEEDED), table.ended_at >= since, table.published_at.is_not(None))
        query = select(table.published_at, table.ended_at).where(won, table.release_id.in_(newest))
        rows = self._reading.execute(query.limit(MOST_RUNS)).all()
        seconds = [max(0.0, (row.ended_at - row.published_at).total_seconds()) for row in rows]
        return len(seconds), fmean(seconds) if seconds else None

    def give_back(self, recovery_id: UUID, now: datetime) -> int:
        """Let go of what a recovery has not sent: it stands again as it did, and is nobody's. Gives its number."""
        connection = self._connection
        mine, given = _items.recovery_id == recovery_id, str(ItemOutcome.GIVEN_BACK)
        unsent = update(recovery_items).where(mine, _items.outcome.is_(None), owner_of_held() == _items.release_id)
        count = connection.execute(unsent.values(outcome=given)).rowcount
        was_dead = and_(mine, _items.outcome == given, _items.taken_from != HELD)
        before = {"state": _items.taken_from, "reason": _items.reason, "closed_at": now, "command_release_id": None}
        buried = update(failures).where(failures.c.id == _items.failure_id, was_dead, failures.c.state == HELD)
        connection.execute(buried.values(**before))
        # What is still held by its releases was held before: no join, which a database without figures plans badly.
        its = select(releases.c.id).where(releases.c.command_id == recovery_id)
        held = and_(failures.c.command_release_id.in_(its), failures.c.state == HELD)
        connection.execute(update(failures).where(held).values(command_release_id=None))
        return count

    def settle_releases(self, release_ids: Collection[UUID]) -> None:
        """Note of what releases that have ended still had that it stays behind, and that it is nobody's."""
        for some in batched(release_ids):
            self._settle_releases(some)

    def _settle_releases(self, release_ids: Sequence[UUID]) -> None:
        connection, table = self._connection, failures.c
        state = select(table.state).where(table.id == _items.failure_id).correlate(recovery_items).scalar_subquery()
        brokers = state == str(FailureState.REDELIVERY_PENDING)
        outcome = case((brokers, str(ItemOutcome.ELSEWHERE)), else_=str(ItemOutcome.HELD_AGAIN))
        left = update(recovery_items).where(_items.release_id.in_(release_ids), _items.outcome.is_(None))
        connection.execute(left.values(outcome=outcome))
        mine = table.command_release_id.in_(release_ids)
        connection.execute(update(failures).where(mine).values(command_release_id=None))

    def settle_discarded(self, failure_ids: Sequence[UUID]) -> None:
        """Note that failures have ended by other means than their recovery's, and are nobody's."""
        connection = self._connection
        settle(connection, {FailureState.DISCARDED: set(failure_ids)})
        mine = and_(failures.c.id.in_(failure_ids), failures.c.command_release_id.is_not(None))
        connection.execute(update(failures).where(mine).values(command_release_id=None))
