"""What every ledger must count for the metrics."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.recovery import NOON, failure, held, incident

if TYPE_CHECKING:
    from orchestrator.ledger.sql import SqlLedger


def test_an_empty_ledger_counts_nothing(ledger: SqlLedger) -> None:
    """Without rows there are no counts, and no age."""
    with ledger.transaction() as tx:
        tallies = tx.tallies(NOON)
    assert (tallies.failures, tallies.incidents, tallies.attempts) == ({}, {}, {})
    assert tallies.dispatch_oldest_seconds == 0
    assert tallies.held_oldest_seconds == {}


def test_what_is_held_is_counted_with_its_age(ledger: SqlLedger) -> None:
    """A failure counts under its kind, its incident under its state, and the oldest held one of a dependency by age."""
    made, failed = incident(), failure()
    with ledger.transaction() as tx:
        tx.add_incident(made)
        tx.add_failure(held(failed, made))
        tallies = tx.tallies(failed.occurred_at + timedelta(seconds=90))
    assert tallies.failures == {"transient": 1}
    assert tallies.incidents == {str(made.state): 1}
    assert tallies.held_oldest_seconds == {made.dependency or "": 90.0}
