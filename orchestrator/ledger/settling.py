"""What becomes of a recovery's failures, written where it happens: once for each, and in the same transaction."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import and_, case, delete, exists, func, literal, select, update

from orchestrator.domain.attempts import AttemptState
from orchestrator.domain.failures import FailureState
from orchestrator.domain.recoveries import ItemOutcome
from orchestrator.ledger.recovering_schema import recoveries, recovery_items
from orchestrator.ledger.schema import attempts, failures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

Left = dict[FailureState, set[UUID]]
WAITING: Final = "waiting"
IN_FLIGHT: Final = "in_flight"
_items: Final = recovery_items.c
_WON: Final = exists().where(
    attempts.c.failure_id == _items.failure_id,
    attempts.c.release_id == _items.release_id,
    attempts.c.state == str(AttemptState.SUCCEEDED),
)
_OF: Final = {FailureState.DEAD: ItemOutcome.DEAD, FailureState.DISCARDED: ItemOutcome.ELSEWHERE}


def settle(connection: Connection, left: Mapping[FailureState, set[UUID]]) -> None:
    """Note of failures that have closed, by the state in which they did, what became of them for their recoveries.

    What recovered by a redrive of the recovery itself is its own.
    """
    for state, outcome in _OF.items():
        if left.get(state):
            _settle(connection, left[state], _items.outcome.is_(None), literal(str(outcome)))
    if left.get(FailureState.RECOVERED):
        won = case((_WON, str(ItemOutcome.RECOVERED)), else_=str(ItemOutcome.ELSEWHERE))
        _settle(connection, left[FailureState.RECOVERED], _items.outcome.is_(None), won)


def settle_late(connection: Connection, failure_ids: set[UUID]) -> None:
    """Note of failures that had left their recovery that its redrive did recover them: that came to light late.

    One whose task has failed once more meanwhile stays what it was told to be.
    """
    state = select(failures.c.state).where(failures.c.id == _items.failure_id).correlate(recovery_items)
    over = state.scalar_subquery() == str(FailureState.RECOVERED)
    late = and_(_items.outcome.is_not(None), _items.outcome != str(ItemOutcome.RECOVERED), _WON, over)
    _settle(connection, failure_ids, late, literal(str(ItemOutcome.RECOVERED)))


def _settle(
    connection: Connection, failure_ids: set[UUID], where: ColumnElement[bool], outcome: ColumnElement[str]
) -> None:
    mine = _items.failure_id.in_(failure_ids)
    connection.execute(update(recovery_items).where(mine, where).values(outcome=outcome))


def settle_given_up(connection: Connection, release_id: UUID) -> None:
    """Note of what a release holds that it is about to be dead."""
    open_ = and_(_items.release_id == release_id, _items.outcome.is_(None))
    statement = update(recovery_items).where(open_, owner_of_held() == release_id)
    connection.execute(statement.values(outcome=str(ItemOutcome.DEAD)))


def owner_of_held() -> ColumnElement[Any]:
    """Give the release that holds an item's failure, where that is held: one look-up for each, whatever is planned."""
    held = and_(failures.c.id == _items.failure_id, failures.c.state == str(FailureState.HELD))
    return select(failures.c.command_release_id).where(held).correlate(recovery_items).scalar_subquery()


def standing() -> ColumnElement[Any]:
    """Give what becomes of an item: what is written, and while it is open, how its failure stands."""
    table = failures.c
    now = case(
        (table.command_release_id != _items.release_id, str(ItemOutcome.ELSEWHERE)),
        (table.state == str(FailureState.HELD), WAITING),
        else_=IN_FLIGHT,
    )
    claimed = and_(table.id == _items.failure_id, table.command_release_id.is_not(None))
    live = select(now).where(claimed).correlate(recovery_items).scalar_subquery()
    return func.coalesce(_items.outcome, live, str(ItemOutcome.ELSEWHERE))


def forgotten(ended_before: datetime) -> ColumnElement[bool]:
    """Tell the recoveries that ended before a time, and of whose failures none is left."""
    left = exists().where(_items.recovery_id == recoveries.c.id)
    return and_(recoveries.c.ended_at < ended_before, ~left)


def forget_items(connection: Connection, failure_ids: Sequence[UUID]) -> None:
    """Drop the items of failures that go for good, counted for good with their recoveries."""
    mine, became = _items.failure_id.in_(failure_ids), standing().label("became")
    query = select(_items.recovery_id, became, func.count()).where(mine).group_by(_items.recovery_id, became)
    gone: defaultdict[UUID, Counter[str]] = defaultdict(Counter)
    for recovery_id, outcome, count in connection.execute(query).all():
        gone[recovery_id][outcome] += count
    if not gone:
        return
    rows = connection.execute(select(recoveries.c.id, recoveries.c.purged).where(recoveries.c.id.in_(gone))).all()
    for row in rows:
        counted = dict(Counter(row.purged) + gone[row.id])
        connection.execute(update(recoveries).where(recoveries.c.id == row.id).values(purged=counted))
    connection.execute(delete(recovery_items).where(mine))
