"""What every ledger must do for a person: count what waits, take an incident whole, list what happened since a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from orchestrator.domain.attempts import AttemptState
from orchestrator.domain.failures import Declaration
from orchestrator.domain.incidents import IncidentState
from orchestrator.domain.release import ReleaseState
from orchestrator.domain.searching import Judging, Why
from orchestrator.domain.selection import Selection
from tests.recovery import NOON, attempt, failure, filed, incident, release

if TYPE_CHECKING:
    from orchestrator.ledger.sql import SqlLedger


def test_what_a_command_that_has_ended_held_is_free_again(ledger: SqlLedger) -> None:
    """Another command may take it."""
    made = filed(ledger, failure())
    former, newer = release(made.id, command_id=uuid4()), release(made.id, command_id=uuid4())
    with ledger.transaction() as tx:
        tx.add_release(replace(former, state=ReleaseState.FAILED, ended_at=NOON))
        tx.add_release(newer)
        tx.claim([failure().id], former.id)
        (found,) = tx.survey(Selection(incident_id=made.id), Judging(NOON))
        assert (found.why, found.count) == (None, 1)
        tx.claim([failure().id], newer.id)
        (found,) = tx.survey(Selection(incident_id=made.id), Judging(NOON))
        assert (found.why, found.asked_by) == (Why.ASKED_FOR, newer.command_id)


def test_what_leans_on_a_dependency_is_found(ledger: SqlLedger) -> None:
    """Its open incidents, the oldest first, and their held failures; others' are not counted."""
    made = filed(ledger, failure(0), failure(1), held_by="bob", held_reason="naïve", held_at=NOON)
    other = filed(ledger, failure(2), signature="other", opened_at=NOON - timedelta(hours=1))
    filed(ledger, failure(3), signature="third", dependency="till")
    closed = incident(signature="over", state=IncidentState.RECOVERED, closed_at=NOON)
    with ledger.transaction() as tx:
        tx.add_incident(closed)
        assert tx.leaning_on("model", 10) == [other, made]
        assert tx.leaning_on("model", 1) == [other]
        assert (tx.open_for("model"), tx.open_for("till"), tx.open_for("none")) == (2, 1, 0)
        assert (tx.held_for("model"), tx.held_for("till"), tx.held_for("none")) == (3, 1, 0)


def test_tasks_that_wait_for_a_person_are_counted_by_name(ledger: SqlLedger) -> None:
    """Those that are not declared idempotent, held, and not asked for."""
    silent = Declaration("model", idempotent=False)
    made = filed(ledger, failure(0), *(failure(number, declaration=silent, task="app.pay") for number in range(1, 4)))
    mine = release(made.id, command_id=uuid4())
    with ledger.transaction() as tx:
        tx.add_release(mine)
        tx.claim([failure(1).id], mine.id)
        assert tx.tasks_waiting(made.id) == {"app.pay": 2}


def test_attempts_are_listed_from_a_time_on(ledger: SqlLedger) -> None:
    """By when they were recorded, and by when they ended; of this incident alone."""
    made = filed(ledger, failure(0), failure(1))
    mine = release(made.id)
    first, second = (
        attempt(failure(number), mine, recorded_at=NOON + timedelta(seconds=number)) for number in range(2)
    )
    ended = replace(first, state=AttemptState.FAILED, ended_at=NOON + timedelta(seconds=9))
    with ledger.transaction() as tx:
        tx.add_release(mine)
        for each in (first, second):
            tx.add_attempt(each)
        tx.save_attempt(ended)
    with ledger.transaction() as tx:
        assert tx.attempts_recorded(made.id, NOON, 10) == [ended, second]
        assert tx.attempts_recorded(made.id, NOON, 1) == [ended]
        assert tx.attempts_recorded(made.id, NOON + timedelta(seconds=1), 10) == [second]
        assert tx.attempts_ended(made.id, NOON, 10) == [ended]
        assert tx.attempts_ended(made.id, NOON + timedelta(seconds=10), 10) == []
        assert tx.attempts_recorded(uuid4(), NOON, 10) == []
