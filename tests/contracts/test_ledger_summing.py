"""What the ledger adds up for a postmortem, on each database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from orchestrator.domain.attempts import AttemptState
from orchestrator.domain.failures import FailureState
from orchestrator.domain.postmortem import AttemptSums, FailureSums
from tests.recovery import NOON, attempt, failure, filed, incident, move, release

if TYPE_CHECKING:
    from orchestrator.ledger.sql import SqlLedger

LATER = NOON + timedelta(seconds=100)


def test_the_failures_of_an_incident_are_added_up(ledger: SqlLedger) -> None:
    """By state; how long all of them waited, those that are open until now; who recovered without a redrive."""
    made = filed(ledger, failure(0), failure(1), failure(2), failure(3, task_id="t0"))
    filed(ledger, failure(9), signature="another")
    with ledger.transaction() as tx:
        move(tx, [failure(1).id], FailureState.RECOVERED, NOON + timedelta(seconds=11))
        move(tx, [failure(2).id], FailureState.DEAD, NOON + timedelta(seconds=22))
    with ledger.reading() as tx:
        sums = tx.failure_sums(made.id, LATER)
    states = {"held": 2, "recovered": 1, "dead": 1}
    assert sums == FailureSums(4, 3, NOON, NOON + timedelta(seconds=3), 100 + 10 + 20 + 97, 1, states)


def test_the_redrives_of_an_incident_are_added_up(ledger: SqlLedger) -> None:
    """By plan and outcome, with the runs too many, and when they began and ended."""
    made = filed(ledger, failure(0), failure(1))
    within = release(made.id)
    with ledger.transaction() as tx:
        tx.add_release(within)
        first, second = attempt(failure(0), within), attempt(failure(1), within, plan="reroute")
        tx.add_attempt(first)
        tx.add_attempt(second)
        tx.save_attempt(replace(first, state=AttemptState.SUCCEEDED, duplicates=2, ended_at=LATER))
        tx.save_attempt(replace(second, state=AttemptState.LOST, ended_at=LATER))
    with ledger.reading() as tx:
        sums, times = tx.attempt_sums(made.id), tx.redriven_at(made.id)
    assert times == [NOON, LATER]
    assert sums == AttemptSums({"retry": {"succeeded": 1}, "reroute": {"lost": 1}}, 2, NOON, LATER)


def test_of_an_incident_without_rows_nothing_is_added_up(ledger: SqlLedger) -> None:
    """Nothing is recorded, and nothing is made up."""
    made = incident()
    with ledger.transaction() as tx:
        tx.add_incident(made)
    with ledger.reading() as tx:
        assert tx.failure_sums(made.id, LATER) == FailureSums()
        assert tx.attempt_sums(made.id) == AttemptSums()
        assert tx.redriven_at(made.id) == []
