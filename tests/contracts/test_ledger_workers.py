"""Workers and orphans, on every ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from orchestrator.domain.failures import FailureState, Way
from orchestrator.domain.workers import Beat, BusReading, Worker
from tests.recovery import NOON, failure, filed

if TYPE_CHECKING:
    from orchestrator.ledger.sql import SqlLedger


def worker(boot: int, name: str = "celery@a", first: float = 0, **changes: Any) -> Worker:
    """Make one boot of a worker."""
    beat = Beat(name, UUID(int=boot), "a", 10, False, (11, 12), 1, 5.0, NOON, 3 << 40)
    seen = NOON + timedelta(seconds=first)
    return replace(Worker(beat, seen, seen), **changes)


def test_a_worker_is_kept_as_it_was_last_heard(ledger: SqlLedger) -> None:
    """Saving a boot again replaces what was known of it, every field comes back, and names are told apart."""
    known = worker(1, idle_since=NOON)
    later = replace(
        known, last_seen=NOON + timedelta(seconds=5), idle_since=None, beat=replace(known.beat, in_flight=0)
    )
    with ledger.transaction() as tx:
        tx.save_worker(known)
        tx.save_worker(later)
        tx.save_worker(worker(2, "celery@b"))
        assert tx.worker(UUID(int=1)) == later
        assert tx.worker(UUID(int=3)) is None
        assert [each.beat.worker for each in tx.workers()] == ["celery@a", "celery@b"]
        assert tx.workers(["celery@b", "celery@c"]) == [worker(2, "celery@b")]


def test_the_boots_of_a_name_come_in_their_order(ledger: SqlLedger) -> None:
    """The boot that was first seen last stands at the end; what was dropped is gone."""
    with ledger.transaction() as tx:
        for boot, first in ((1, 20), (2, 10)):
            tx.save_worker(worker(boot, first=first))
        assert [each.beat.boot.int for each in tx.workers(["celery@a"])] == [2, 1]
        tx.drop_workers([UUID(int=2), UUID(int=9)])
        assert [each.beat.boot.int for each in tx.workers()] == [1]


def test_the_reading_of_the_bus_is_one_row(ledger: SqlLedger) -> None:
    """Nothing at first; then what was noted last."""
    with ledger.transaction() as tx:
        assert tx.bus_reading() is None
        for seconds in (0, 5):
            tx.save_bus_reading(BusReading(NOON, NOON + timedelta(seconds=seconds)))
        assert tx.bus_reading() == BusReading(NOON, NOON + timedelta(seconds=5))


def test_tasks_with_a_failure_are_told_apart(ledger: SqlLedger) -> None:
    """Of the tasks asked for those come back that have a failure, whatever became of it."""
    filed(ledger, failure(0), failure(1))
    with ledger.transaction() as tx:
        assert tx.tasks_that_failed(["t0", "t1", "t2"]) == {"t0", "t1"}
        assert tx.tasks_that_failed([]) == set()


def test_orphans_are_those_that_are_not_over(ledger: SqlLedger) -> None:
    """Orphaned failures come oldest first, page by page, without those that are over, too old, or known otherwise."""
    filed(ledger, failure(0), *(failure(number, captured=Way.ORPHANED) for number in range(1, 6)))
    with ledger.transaction() as tx:
        stored = tx.failure(failure(4).id)
        assert stored is not None
        tx.save_failure(replace(stored, state=FailureState.RECOVERED))
        found = tx.orphans(failure(2).occurred_at, 2)
        assert [each.failure.task_id for each in found] == ["t2", "t3"]
        assert [each.failure.task_id for each in tx.orphans(NOON, 10, found[-1])] == ["t5"]


def test_pending_redeliveries_come_page_by_page(ledger: SqlLedger) -> None:
    """The one that has waited longest first, those of one moment by their ids; a page goes on behind the last one."""
    filed(ledger, *(failure(number) for number in range(5)))
    with ledger.transaction() as tx:
        for number, waited in enumerate((30, 10, 10, 20, 0)):
            stored = tx.failure(failure(number).id)
            assert stored is not None
            since = NOON - timedelta(seconds=waited)
            tx.save_failure(replace(stored, state=FailureState.REDELIVERY_PENDING, pending_since=since))
        everything = tx.pending(NOON, 10)
        assert [each.failure.task_id for each in everything[:2]] == ["t0", "t3"]
        assert {each.failure.task_id for each in everything[2:]} == {"t1", "t2"}  # t4 has only begun to wait
        for first in range(4):
            after = everything[first - 1] if first else None
            assert tx.pending(NOON, 2, after) == everything[first : first + 2]
