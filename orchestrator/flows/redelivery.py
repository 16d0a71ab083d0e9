"""Redelivery: failures whose message the broker still holds end with what the redelivered run brings, or in time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.domain.attempts import IN_FLIGHT, AttemptState
from orchestrator.domain.failures import FailureState
from orchestrator.domain.standing import ended_by_redelivery, moved
from orchestrator.flows.joining import tell_opened
from orchestrator.flows.outcomes import close_if_recovered
from orchestrator.flows.reading import first_failure

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.standing import StoredFailure
    from orchestrator.flows.reading import RedeliveryEnded


def end_redelivery(tx: LedgerTx, ended: RedeliveryEnded, now: datetime) -> None:
    """Recover a failure whose message has run well, delivered again; kept as evidence for one that is not known yet.

    Also one that was given up meanwhile, or waits to be redriven: its task has run well. A failure of a run that began
    later stays as it is. The run of a redrive tells its end by its own event.
    """
    if not tx.first_sight(ended.event_id, ended.failure_id, ended.attempt_id, now, ended.ended_at):
        return
    stored = tx.failure(ended.failure_id)
    if stored and ended_by_redelivery(stored, ended.ended_at):
        tx.save_failure(moved(stored, FailureState.RECOVERED, min(ended.ended_at, now)))
        close_if_recovered(tx, stored.incident_id, now)


def give_up_pending(tx: LedgerTx, stored: StoredFailure, reason: str, now: datetime) -> None:
    """List a failure as dead whose redelivery never came, with the reason; a redrive of it that is out is lost."""
    for attempt in tx.attempts_of(stored.failure.id):
        if attempt.state in IN_FLIGHT:
            tx.save_attempt(replace(attempt, state=AttemptState.LOST, ended_at=now, reason=reason))
    tx.save_failure(moved(stored, FailureState.DEAD, now, reason))
    incident = tx.incident(stored.incident_id)
    if incident:
        tell_opened(tx, incident, first_failure(tx, incident), now)
    close_if_recovered(tx, stored.incident_id, now)


def recover(tx: LedgerTx, stored: StoredFailure, reason: str, now: datetime) -> None:
    """Note that a failure is over, and how that is known."""
    tx.save_failure(replace(moved(stored, FailureState.RECOVERED, now), reason=reason))
    close_if_recovered(tx, stored.incident_id, now)
