"""What every ledger must do when a batch is taken in at once: in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from orchestrator.domain.attempts import AttemptState
from orchestrator.domain.errors import Unstorable
from orchestrator.domain.failures import FailureState
from orchestrator.domain.ids import derive
from orchestrator.domain.release import LARGEST_BATCH
from orchestrator.domain.standing import moved
from tests.recovery import NOON, attempt, dispatch, failure, filed, held, release

if TYPE_CHECKING:
    from orchestrator.ledger.sql import SqlLedger


def test_what_is_read_for_a_batch_is_what_each_would_read_alone(ledger: SqlLedger) -> None:
    """Events, failures and attempts that are there are found, others are not, and events seen in the batch are seen."""
    incident = filed(ledger, failure(0), failure(1))
    within = release(incident.id)
    out = attempt(failure(1), within)
    with ledger.transaction() as tx:
        tx.add_release(within)
        tx.add_attempt(out)
        tx.first_sight("known", failure(0).id, None, NOON, NOON)
    unknown = derive("attempt", "unknown")
    with ledger.transaction() as tx:
        tx.recall(["known", "new"], [failure(0).id, failure(7).id], [out.id, unknown])
        assert not tx.first_sight("known", failure(0).id, None, NOON)
        assert tx.first_sight("new", failure(7).id, None, NOON)
        assert not tx.first_sight("new", failure(7).id, None, NOON)
        assert (tx.redelivered(failure(0).id), tx.redelivered(failure(7).id)) == (NOON, None)
        assert tx.first_sight("later", failure(7).id, None, NOON, NOON)
        assert tx.redelivered(failure(7).id) == NOON
        assert tx.failure(failure(7).id) is None
        found = tx.failure(failure(1).id)
        assert found is not None
        assert (found.state, found.attempts) == (FailureState.RELEASED, 1)
        assert (tx.attempt(out.id), tx.attempt(unknown)) == (out, None)
    with ledger.transaction() as tx:
        assert not tx.first_sight("new", failure(7).id, None, NOON)


def test_what_a_transaction_has_changed_every_question_sees(ledger: SqlLedger) -> None:
    """A failure, an incident, a release that were changed and perhaps not written yet are counted and listed so."""
    incident = filed(ledger, failure(0))
    within = release(incident.id)
    with ledger.transaction() as tx:
        tx.add_failure(held(failure(1), incident))
        assert tx.open_failures(incident.id) == 2
        tx.add_release(within)
        out = attempt(failure(1), within)
        tx.add_attempt(out)
        assert (tx.members(within).held, tx.members(within).in_flight) == (1, 1)
        tx.save_attempt(replace(out, state=AttemptState.SUCCEEDED))
        assert tx.members(within).in_flight == 0
        tx.save_incident(replace(incident, closed_at=NOON))
        assert tx.open_incident(incident.signature, incident.dependency) is None
        assert tx.add_incident(replace(incident, id=derive("incident", "another")))
    with ledger.reading() as tx:
        stored = tx.incident(incident.id)
        assert stored is not None
        assert stored.closed_at == NOON


def test_an_incident_is_seen_to_have_open_failures_until_the_last_is_over(ledger: SqlLedger) -> None:
    """Whether they were read in this transaction or not; one may be left out of account."""
    incident = filed(ledger, failure(0), failure(1))
    with ledger.transaction() as tx:
        tx.recall([], [failure(1).id], [])
        for number, (some, others) in enumerate([(True, False), (False, False)]):
            stored = tx.failure(failure(number).id)
            assert stored is not None
            assert tx.any_open(incident.id)
            tx.save_failure(moved(stored, FailureState.RECOVERED, NOON))
            assert tx.any_open(incident.id) is some
            assert tx.any_open(incident.id, failure(1).id) is others


def test_a_failure_that_only_moves_keeps_what_is_known_of_its_run(ledger: SqlLedger) -> None:
    """The state is stored, and the message, the exception and the declaration come back as they were."""
    filed(ledger, failure(0))
    with ledger.transaction() as tx:
        before = tx.failure(failure(0).id)
        assert before is not None
        changed = moved(before, FailureState.DEAD, NOON, "so")
        tx.save_failure(changed)
    with ledger.transaction() as tx:
        assert tx.failure(failure(0).id) == changed
        tx.save_failure(replace(changed, failure=replace(changed.failure, worker="another")))
        tx.save_failure(moved(changed, FailureState.HELD, NOON))
    with ledger.reading() as tx:
        after = tx.failure(failure(0).id)
        assert after is not None
        assert (after.failure.message, after.state) == (failure(0).message, FailureState.HELD)


def test_what_was_kept_back_goes_with_the_transaction(ledger: SqlLedger) -> None:
    """A transaction that fails at its end has changed nothing, and says why."""
    incident = filed(ledger, failure(0))
    with pytest.raises(Unstorable), ledger.transaction() as tx:  # noqa: PT012 - it is the end that raises
        tx.save_incident(replace(incident, note="so"))
        tx.add_failure(held(failure(0), incident))
    with ledger.reading() as tx:
        stored = tx.incident(incident.id)
        assert stored is not None
        assert stored.note == incident.note


def test_of_what_is_held_no_more_is_counted_than_a_step_can_use(ledger: SqlLedger) -> None:
    """A release of a storm is asked at each step what it has still to move: to count it all would take longer and
    longer.
    """
    incident = filed(ledger, *(failure(number) for number in range(LARGEST_BATCH + 5)))
    within = release(incident.id)
    with ledger.transaction() as tx:
        tx.add_release(within)
        assert LARGEST_BATCH < tx.members(within).held < LARGEST_BATCH + 5
        assert len(tx.held(within, LARGEST_BATCH, fresh=True)) == LARGEST_BATCH


def test_a_trigger_in_the_middle_of_a_batch_has_nothing_read_again(ledger: SqlLedger) -> None:
    """What a batch has read stays known when a trigger, a worker or a count is asked for, or a trigger is queued."""
    incident = filed(ledger, failure(0), failure(1))
    asked: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    with ledger.transaction() as tx:
        tx.recall(["new"], [failure(0).id, failure(1).id], [])
        first = tx.failure(failure(0).id)
        assert first is not None
        tx.save_failure(moved(first, FailureState.DEAD, NOON))
        tx.add_dispatch(dispatch(incident.id))
        assert len(tx.dispatches_of(incident.id)) == 1
        assert (tx.workers(), tx.dead_failures(incident.id)) == ([], 1)
        event.listen(Engine, "before_cursor_execute", hear)
        try:
            assert tx.failure(failure(1).id) is not None
            assert tx.redelivered(failure(1).id) is None
            assert tx.first_sight("new", failure(1).id, None, NOON)
        finally:
            event.remove(Engine, "before_cursor_execute", hear)
        assert asked == []


def test_what_is_over_and_not_written_yet_is_not_seen_as_open(ledger: SqlLedger) -> None:
    """However many rows still say otherwise; and one that nobody read in this transaction is still found."""
    many = [failure(number) for number in range(5)]
    incident = filed(ledger, *many)
    with ledger.transaction() as tx:
        for each in many[:4]:
            stored = tx.failure(each.id)
            assert stored is not None
            tx.save_failure(moved(stored, FailureState.RECOVERED, NOON))
        assert tx.any_open(incident.id)
        assert not tx.any_open(incident.id, many[4].id)
        last = tx.failure(many[4].id)
        assert last is not None
        tx.save_failure(moved(last, FailureState.RECOVERED, NOON))
        assert not tx.any_open(incident.id)


def test_an_attempt_marked_in_the_middle_of_a_batch_is_seen_so(ledger: SqlLedger) -> None:
    """What was read of it before is not trusted any more."""
    incident = filed(ledger, failure(0))
    within = release(incident.id)
    out = attempt(failure(0), within, state=AttemptState.RECORDED, published_at=None)
    with ledger.transaction() as tx:
        tx.add_release(within)
        tx.add_attempt(out)
        tx.mark_published([out.id], NOON)
        assert tx.attempt(out.id) == replace(out, state=AttemptState.PUBLISHED, published_at=NOON)
