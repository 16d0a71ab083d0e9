"""What every ledger must do with triggers of single failures: in memory, SQLite, PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from orchestrator.domain.dispatches import TO_SEND, DispatchState
from tests.recovery import NOON, dispatch, failure, filed

if TYPE_CHECKING:
    from orchestrator.ledger.sql import SqlLedger

FAILED = "redrive.task_failed"
MINUTE = timedelta(minutes=1)


def test_those_of_a_signature_are_counted_over_its_incidents(ledger: SqlLedger) -> None:
    """Whatever came of them; not those of other signatures, other triggers, or before that time."""
    one, other = filed(ledger, failure()), filed(ledger, failure(1), signature="other")
    with ledger.transaction() as tx:
        for state in (DispatchState.PENDING, DispatchState.ENDED):
            tx.add_dispatch(dispatch(one.id, trigger=FAILED, state=state, created_at=NOON, next_at=NOON))
        tx.add_dispatch(dispatch(one.id, created_at=NOON, next_at=NOON))
        tx.add_dispatch(dispatch(one.id, trigger=FAILED, created_at=NOON - MINUTE, next_at=NOON))
        tx.add_dispatch(dispatch(other.id, trigger=FAILED, created_at=NOON, next_at=NOON))
    with ledger.transaction() as tx:
        assert tx.failures_told(one.signature, NOON - MINUTE, 10) == 2
        assert tx.failures_told(one.signature, NOON, 10) == 0
        assert tx.failures_told("none", NOON - MINUTE, 10) == 0


def test_one_transaction_counts_what_it_has_queued(ledger: SqlLedger) -> None:
    """The number grows with each until there are as many as are asked for."""
    incident = filed(ledger, failure())
    with ledger.transaction() as tx:
        counted = []
        for _ in range(3):
            counted.append(tx.failures_told(incident.signature, NOON - MINUTE, 2))
            tx.add_dispatch(dispatch(incident.id, trigger=FAILED, created_at=NOON, next_at=NOON))
        assert counted == [0, 1, 2]


def test_they_are_due_behind_all_others(ledger: SqlLedger) -> None:
    """However long they have waited."""
    incident = filed(ledger, failure())
    single = dispatch(incident.id, trigger=FAILED, next_at=NOON - MINUTE)
    other = dispatch(incident.id, next_at=NOON)
    with ledger.transaction() as tx:
        tx.add_dispatch(single)
        tx.add_dispatch(other)
        assert tx.due_dispatches(TO_SEND, NOON, 10) == [other, single]


def test_a_trigger_is_looked_up_and_so_are_its_incidents_instances(ledger: SqlLedger) -> None:
    """By its id; the instances are those of the others that have one."""
    incident = filed(ledger, failure())
    known = [dispatch(incident.id, trigger_instance_id=name) for name in ("i-1", "i-2", None)]
    with ledger.transaction() as tx:
        for each in known:
            tx.add_dispatch(each)
        assert tx.dispatch(known[0].id) == known[0]
        assert tx.dispatch(uuid4()) is None
        assert tx.instances_of(incident.id, known[0].id) == {"i-2"}
