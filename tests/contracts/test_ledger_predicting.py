"""What every ledger must tell of how redrives went, and how soon it tells it."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from orchestrator.domain.attempts import AttemptState
from orchestrator.domain.dependencies import Policies
from orchestrator.domain.failures import FailureState, Kind
from orchestrator.domain.prediction import Tried
from orchestrator.flows.predicting import Predictor
from orchestrator.ledger import predicting
from orchestrator.ledger.codec import attempt_row
from orchestrator.ledger.schema import attempts
from tests.recovery import NOON, attempt, failure, filed, release

if TYPE_CHECKING:
    from orchestrator.domain.attempts import Attempt
    from orchestrator.domain.incidents import Incident
    from orchestrator.ledger.sql import SqlLedger

LONG_AGO = NOON - timedelta(days=1)


def ended(ledger: SqlLedger, made: Incident, *states: AttemptState, number: int = 0, forced: bool = False) -> None:
    """Record that redrives of a failure of an incident ended, one a second, from noon on."""
    ours = release(made.id, forced=forced)
    with ledger.transaction() as tx:
        tx.add_release(ours)
        for turn, state in enumerate(states, 1):
            at = NOON + timedelta(seconds=turn)
            tx.add_attempt(attempt(failure(number), ours, turn, state=state, published_at=NOON, ended_at=at))


def test_outcomes_are_told_with_what_they_are_outcomes_of(ledger: SqlLedger) -> None:
    """Signature, dependency and kind of the incident; whether it was a first retry, forced, and how it ended."""
    made = filed(ledger, failure(0), signature="s", kind=Kind.RATE_LIMITED)
    ended(ledger, made, AttemptState.FAILED, AttemptState.SUCCEEDED, forced=True)
    with ledger.reading() as tx:
        told = tx.tried(["s"], LONG_AGO)
    first = Tried("s", "model", Kind.RATE_LIMITED, NOON + timedelta(seconds=1), succeeded=False, forced=True)
    assert sorted(told, key=lambda each: each.at) == [
        first,
        replace(first, at=NOON + timedelta(seconds=2), succeeded=True, first=False),
    ]


def test_what_has_not_run_tells_nothing(ledger: SqlLedger) -> None:
    """In flight, lost, never published, or longer ago than was asked for."""
    made = filed(ledger, failure(0), failure(1), signature="s")
    ended(ledger, made, AttemptState.PUBLISHED, AttemptState.LOST)
    ours = release(made.id)
    with ledger.transaction() as tx:
        tx.add_release(ours)
        refused = attempt(failure(1), ours, state=AttemptState.FAILED, ended_at=NOON)
        tx.add_attempt(refused)
        assert tx.tried(["s"], LONG_AGO) == []
    with ledger.transaction() as tx:
        tx.save_attempt(replace(refused, published_at=NOON))
    with ledger.reading() as tx:
        assert len(tx.tried(["s"], LONG_AGO)) == 1
        assert tx.tried(["s"], NOON + timedelta(seconds=1)) == []


def test_a_signature_is_heard_however_much_else_there_was(ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest of all may be others' alone; those asked for are read beside them, each once."""
    monkeypatch.setattr(predicting, "MOST_OF_ALL", 1)
    ended(ledger, filed(ledger, failure(0), signature="s"), AttemptState.SUCCEEDED)
    ended(ledger, filed(ledger, failure(1), signature="other"), AttemptState.FAILED, AttemptState.FAILED, number=1)
    with ledger.reading() as tx:
        assert sorted(each.signature for each in tx.tried(["s"], LONG_AGO)) == ["other", "s"]
        assert [each.signature for each in tx.tried(["other"], LONG_AGO)] == ["other", "other"]


def test_failures_that_were_redriven_before_are_counted(ledger: SqlLedger) -> None:
    """Those that wait, and were tried since they were opened; not what was tried before that, what is over, or asked
    for by somebody already.
    """
    made = filed(ledger, *(failure(number) for number in range(5)))
    with ledger.transaction() as tx:
        told = [
            (0, 0, FailureState.HELD),
            (2, 0, FailureState.DEAD),
            (2, 2, FailureState.HELD),
            (1, 0, FailureState.RECOVERED),
            (1, 0, FailureState.HELD),
        ]
        for number, (redriven, before, state) in enumerate(told):
            stored = tx.failure(failure(number).id)
            assert stored is not None
            tx.save_failure(replace(stored, attempts=redriven, attempts_before=before, state=state))
        tx.claim([failure(4).id], uuid4())
    with ledger.reading() as tx:
        assert tx.redriven_before([made.id, uuid4()]) == {made.id: 1}


@pytest.mark.slow
def test_a_prediction_is_quick_with_a_hundred_thousand_attempts(ledger: SqlLedger) -> None:
    """It reads by an index, and not what there is: the median of seven leaves the dry run its second."""
    old, made = filed(ledger, failure(0), signature="s"), filed(ledger, failure(1), signature="other")
    ours, others = release(old.id), release(made.id)
    with ledger.transaction() as tx:
        tx.add_release(ours)
        tx.add_release(others)
    rows = [attempt_row(_of(number, ours if number < 50_000 else others)) for number in range(100_000)]
    with ledger.transaction() as tx:
        tx._connection.execute(attempts.insert(), rows)
    took = []
    for _ in range(7):
        began = time.perf_counter()
        with ledger.reading() as tx:
            told = Predictor(tx, Policies(), NOON + timedelta(hours=2)).predict([(old, 40_000), (made, 10)])
        took.append(time.perf_counter() - began)
        assert told.overall.enough
    assert sorted(took)[3] < 0.3, took


def _of(number: int, ours: object) -> Attempt:
    at = NOON + timedelta(milliseconds=number)
    states = (AttemptState.SUCCEEDED, AttemptState.SUCCEEDED, AttemptState.FAILED)
    of = failure(0 if number < 50_000 else 1)
    return attempt(of, ours, number + 1, turn=1, state=states[number % 3], published_at=NOON, ended_at=at)  # type: ignore[arg-type]  # a release
