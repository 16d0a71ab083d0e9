"""Retention: what has closed long ago goes, batch by batch, and is counted for good. What is open keeps all it has."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, and_, bindparam, case, delete, exists, func, or_, select, true, update

from orchestrator.domain.attempts import IN_FLIGHT, AttemptState
from orchestrator.domain.dispatches import DispatchState
from orchestrator.domain.failures import FailureState
from orchestrator.domain.release import ENDED
from orchestrator.ledger.approval_schema import approvals
from orchestrator.ledger.codec import incident_value
from orchestrator.ledger.people import KEYS_LAST
from orchestrator.ledger.recovering_schema import recoveries
from orchestrator.ledger.schema import (
    attempts,
    commands,
    dispatches,
    evidence,
    failure_arguments,
    failures,
    idempotency_keys,
    incidents,
    modes,
    probe_ends,
    releases,
)
from orchestrator.ledger.settling import forget_items, forgotten
from orchestrator.ledger.totals import ATTEMPTS, DUPLICATES, FAILURE_STATES, FAILURES, INCIDENTS, TotalRows, attempt_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Table

    from orchestrator.domain.incidents import Incident

# What stays of a message whose body is gone: where it went.
STAYS: Final = ("exchange", "routing_key", "queue", "redacted", "resolvable", "missing")
NOTHING: Final[dict[str, Any]] = {"content_type": "", "content_encoding": "", "headers": {}, "properties": {}}
OVER: Final = (FailureState.RECOVERED, FailureState.DISCARDED)
SETTLED: Final = (DispatchState.ENDED, DispatchState.NO_RULE)
# Each worker counts once a second; by then a second copy of its event is too old to tell anything.
COUNTS_LAST: Final = timedelta(hours=1)


class RetentionRows(TotalRows):
    """The verbs that forget."""

    def claims_due(self, bodies_before: datetime, rows_before: datetime, limit: int) -> list[Mapping[str, Any]]:
        """List the claims of failures that are about to lose their message, unless another failure needs the body."""
        table, other = failures.c, failures.alias("other")
        url, same = table.message["claim"]["url"].as_string(), other.c.message["claim"]["url"].as_string()
        needed = exists().where(same == url, ~_going(other.c, bodies_before, rows_before), other.c.purged_at.is_(None))
        query = select(table.message).where(_going(table, bodies_before, rows_before), table.purged_at.is_(None))
        query = query.where(url.is_not(None), ~needed, ~_first_of_an_open_one()).order_by(table.closed_at)
        return [row.message["claim"] for row in self._connection.execute(query.limit(limit))]

    def purge_bodies(self, closed_before: datetime, now: datetime, limit: int, stay: Sequence[str] = ()) -> int:
        """Empty the messages of recovered and discarded failures; dead ones keep theirs, for they may be replayed."""
        table = failures.c
        over = and_(table.closed_at < closed_before, table.state.in_([str(each) for each in OVER]))
        query = select(table.id, table.message).where(over, table.purged_at.is_(None), ~_first_of_an_open_one())
        query = query.where(_names_none_of(stay))
        rows = self._connection.execute(query.order_by(table.closed_at).limit(limit)).all()
        emptied = [{"key": row.id, "left": _left_of(row.message)} for row in rows]
        if emptied:
            statement = update(failures).where(table.id == bindparam("key"))
            left = {"message": bindparam("left"), "body": b"", "purged_at": now, "arguments": None}
            self._connection.execute(statement.values(**left), emptied)
            self._drop_arguments([row.id for row in rows])
        return len(emptied)

    def _drop_arguments(self, ids: Sequence[UUID]) -> None:
        self._connection.execute(delete(failure_arguments).where(failure_arguments.c.failure_id.in_(ids)))

    def purge_payloads(self, closed_before: datetime, limit: int) -> int:
        """Take the failure out of the triggers of closed incidents, those that nobody has answered yet excepted."""
        query = (
            select(dispatches.c.id, dispatches.c.payload)
            .join(incidents, incidents.c.id == dispatches.c.incident_id)
            .where(incidents.c.closed_at < closed_before, dispatches.c.state.in_([str(each) for each in SETTLED]))
            .where(~dispatches.c.purged)
        )
        rows = self._connection.execute(query.limit(limit)).all()
        emptied = [{"key": row.id, "left": row.payload | {"failure": {}}} for row in rows]
        if emptied:
            statement = update(dispatches).where(dispatches.c.id == bindparam("key"))
            self._connection.execute(statement.values(payload=bindparam("left"), purged=True), emptied)
        return len(emptied)

    def purge_failures(self, closed_before: datetime, limit: int, stay: Sequence[str] = ()) -> int:
        """Drop failures with their attempts and commands; what they count for is counted for good."""
        flying = exists().where(attempts.c.failure_id == failures.c.id, attempts.c.state.in_(_names(IN_FLIGHT)))
        query = select(failures.c.id).where(failures.c.closed_at < closed_before, ~_first_of_an_open_one(), ~flying)
        query = query.where(_names_none_of(stay))
        ids = list(self._connection.execute(query.order_by(failures.c.closed_at).limit(limit)).scalars())
        if ids:
            self._count_failures(ids)
            self._count_attempts(ids)
            forget_items(self._connection, ids)
            for table in (attempts, commands, failure_arguments):
                self._connection.execute(delete(table).where(table.c.failure_id.in_(ids)))
            self._connection.execute(delete(failures).where(failures.c.id.in_(ids)))
        return len(ids)

    def _count_failures(self, ids: Sequence[UUID]) -> None:
        table = failures.c
        rows = self._connection.execute(select(table.counted_as, table.state).where(table.id.in_(ids))).all()
        for name, counted in (
            (FAILURES, Counter(row.counted_as for row in rows)),
            (FAILURE_STATES, Counter(row.state for row in rows)),
        ):
            for key, number in counted.items():
                self._add_total(name, key, number)

    def _count_attempts(self, ids: Sequence[UUID]) -> None:
        table, mine = attempts.c, attempts.c.failure_id.in_(ids)
        groups = (table.plan, table.state, table.turn)
        for plan, state, turn, number in self._connection.execute(
            select(*groups, func.count()).where(mine).group_by(*groups)
        ):
            self._add_total(ATTEMPTS, attempt_key(plan, state, turn), number)
        twice = self._connection.execute(select(func.sum(table.duplicates)).where(mine)).scalar_one()
        self._add_total(DUPLICATES, "", int(twice or 0))
        first, won = table.turn == 1, table.state == str(AttemptState.SUCCEEDED)
        counts = (_sum(first), _sum(and_(first, won)), func.count(), _sum(won))
        query = select(table.release_id, *counts).where(mine).group_by(table.release_id)
        for release_id, *numbers in self._connection.execute(query).all():
            self._count_for_release(release_id, numbers)

    def _count_for_release(self, release_id: UUID, numbers: Sequence[int]) -> None:
        names = ("purged_first_attempts", "purged_first_successes", "purged_attempts", "purged_successes")
        grown = {name: releases.c[name] + number for name, number in zip(names, numbers, strict=True)}
        self._connection.execute(update(releases).where(releases.c.id == release_id).values(**grown))

    def purge_incidents(self, closed_before: datetime, limit: int) -> int:
        """Drop closed incidents of which nothing is left, with their releases and triggers, counted for good."""
        has_failures = exists().where(failures.c.incident_id == incidents.c.id)
        has_commands = exists().where(commands.c.incident_id == incidents.c.id, commands.c.failure_id.is_not(None))
        # Of a failure that was opened again elsewhere, the attempts of its former opening are still told here.
        has_attempts = (
            select(attempts.c.id)
            .join(releases, releases.c.id == attempts.c.release_id)
            .where(releases.c.incident_id == incidents.c.id)
            .exists()
        )
        old = incidents.c.closed_at < closed_before
        query = select(incidents.c.id, incidents.c.state).where(old, ~has_failures, ~has_commands, ~has_attempts)
        rows = self._connection.execute(query.order_by(incidents.c.closed_at).limit(limit)).all()
        for state, number in Counter(row.state for row in rows).items():
            self._add_total(INCIDENTS, state, number)
        ids = [row.id for row in rows]
        of_an_incident = [(table, "incident_id") for table in (dispatches, releases, commands)]
        for table, column in (*of_an_incident, (incidents, "id")):
            self._connection.execute(delete(table).where(table.c[column].in_(ids)))
        return len(ids)

    def purge_remains(self, seen_before: datetime, now: datetime, limit: int) -> int:
        """Drop what belongs to nothing any more: evidence, modes but the one that holds, keys, recoveries, approvals.

        Evidence of counts goes soon: a count that is old tells nothing.
        """
        nobodys = and_(
            evidence.c.seen_at < seen_before,
            ~exists().where(failures.c.id == evidence.c.failure_id),
            ~exists().where(attempts.c.id == evidence.c.attempt_id),
        )
        of_none = and_(evidence.c.failure_id.is_(None), evidence.c.attempt_id.is_(None))
        counted = and_(of_none, evidence.c.seen_at < now - COUNTS_LAST)
        newest = select(func.max(modes.c.seq)).scalar_subquery()
        former = and_(modes.c.changed_at < seen_before, modes.c.seq < newest)
        over = idempotency_keys.c.created_at < now - KEYS_LAST
        return (
            self._drop(evidence, "event_id", or_(nobodys, counted), limit)
            + self._drop(modes, "seq", former, limit)
            + self._drop(
                commands, "id", and_(commands.c.incident_id.is_(None), commands.c.created_at < seen_before), limit
            )
            + self._drop(idempotency_keys, "key", over, limit)
            + self._drop(recoveries, "id", forgotten(seen_before), limit)
            + self._drop(approvals, "recovery_id", _nobody_waits(seen_before), limit)
            + self._drop(probe_ends, "run_id", probe_ends.c.at < seen_before, limit)
        )

    def _drop(self, table: Table, key: str, where: ColumnElement[bool], limit: int) -> int:
        column = table.c[key]
        return self._connection.execute(
            delete(table).where(column.in_(select(column).where(where).limit(limit)))
        ).rowcount

    def expired_incidents(self, closed_before: datetime, limit: int) -> list[Incident]:
        """List the open incidents of which nothing is open, and what is dead has been so since before this time."""
        mine = failures.c.incident_id == incidents.c.id
        young = exists().where(mine, (failures.c.closed_at.is_(None)) | (failures.c.closed_at >= closed_before))
        moving = exists().where(releases.c.incident_id == incidents.c.id, releases.c.state.not_in(_names(ENDED)))
        old = and_(incidents.c.closed_at.is_(None), incidents.c.opened_at < closed_before)
        query = select(incidents).where(old, ~young, ~moving).order_by(incidents.c.opened_at).limit(limit)
        return [incident_value(row) for row in self._connection.execute(query)]


def _nobody_waits(decided_before: datetime) -> ColumnElement[bool]:
    """Tell the approvals that were decided before a time, and whose recoveries have gone."""
    return and_(approvals.c.decided_at < decided_before, ~exists().where(recoveries.c.id == approvals.c.recovery_id))


def _first_of_an_open_one() -> ColumnElement[bool]:
    """Tell the failure that the rules of an incident are told of, as long as there may be something to tell."""
    return exists().where(
        incidents.c.id == failures.c.incident_id,
        incidents.c.first_failure_id == failures.c.id,
        incidents.c.closed_at.is_(None),
    )


def _going(table: Any, bodies_before: datetime, rows_before: datetime) -> ColumnElement[bool]:  # noqa: ANN401 - a table's columns
    over = and_(table.closed_at < bodies_before, table.state.in_([str(each) for each in OVER]))
    return or_(over, and_(table.closed_at.is_not(None), table.closed_at < rows_before))


def _names_none_of(urls: Sequence[str]) -> ColumnElement[bool]:
    url = failures.c.message["claim"]["url"].as_string()
    return or_(url.is_(None), url.not_in(urls)) if urls else true()


def _left_of(message: dict[str, Any]) -> dict[str, Any]:
    return NOTHING | {name: message[name] for name in STAYS if name in message}


def _sum(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _names(states: frozenset[Any]) -> list[str]:
    return [str(state) for state in states]
