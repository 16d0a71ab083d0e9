"""Outcomes: what a redriven run brought, for its failure, its release and its incident."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.domain.attempts import IN_FLIGHT, Attempt, AttemptState, Outcome
from orchestrator.domain.failures import FailureState
from orchestrator.domain.incidents import Incident, IncidentStep, Trigger, after, incident_payload
from orchestrator.domain.release import after_failure, after_success
from orchestrator.flows.announcing import incident_closed
from orchestrator.flows.gates import next_gate
from orchestrator.flows.reading import first_failure
from orchestrator.flows.triggers import queue_trigger

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.moment import Moment


def record_outcome(tx: LedgerTx, attempt_id: UUID, outcome: Outcome, moment: Moment) -> None:
    """Note how an attempt ended. A further run of an attempt that had ended counts as a duplicate execution."""
    attempt = tx.attempt(attempt_id)
    if attempt is None:
        return
    if attempt.state in IN_FLIGHT:
        _end(tx, attempt, outcome, moment)
    elif attempt.state is AttemptState.LOST:
        _hear_late(tx, attempt, outcome, moment.at)
    else:
        _hear_again(tx, attempt, outcome, moment.at)


def _end(tx: LedgerTx, attempt: Attempt, outcome: Outcome, moment: Moment) -> None:
    if outcome.succeeded:
        _succeed(tx, attempt, moment.at)
    else:
        _fail(tx, attempt, outcome, moment)


def _hear_late(tx: LedgerTx, attempt: Attempt, outcome: Outcome, now: datetime) -> None:
    if outcome.succeeded:
        _succeed(tx, attempt, now)
    else:
        tx.save_attempt(replace(attempt, state=AttemptState.FAILED, ended_at=now, reason=outcome.failed_with or None))


def _hear_again(tx: LedgerTx, attempt: Attempt, outcome: Outcome, now: datetime) -> None:
    # A second report of the failing run is no second run; anything else that ran is.
    if outcome.again and (outcome.succeeded or attempt.state is AttemptState.SUCCEEDED):
        tx.save_attempt(replace(attempt, duplicates=attempt.duplicates + 1))
    if outcome.succeeded and attempt.state is AttemptState.FAILED:
        _recover(tx, attempt, now)


def _succeed(tx: LedgerTx, attempt: Attempt, now: datetime) -> None:
    stored = tx.failure(attempt.failure_id)
    ran_before = stored is not None and stored.state is FailureState.RECOVERED
    duplicates = attempt.duplicates + ran_before
    tx.save_attempt(replace(attempt, state=AttemptState.SUCCEEDED, ended_at=now, duplicates=duplicates, reason=None))
    release = tx.release(attempt.release_id)
    if release:
        tx.save_release(after_success(release))
    _recover(tx, attempt, now)


def _recover(tx: LedgerTx, attempt: Attempt, now: datetime) -> None:
    tx.set_failure_state([attempt.failure_id], FailureState.RECOVERED)
    close_if_recovered(tx, attempt.incident_id, now)


def _fail(tx: LedgerTx, attempt: Attempt, outcome: Outcome, moment: Moment) -> None:
    state = AttemptState.LOST if outcome.lost else AttemptState.FAILED
    tx.save_attempt(replace(attempt, state=state, ended_at=moment.at, reason=outcome.failed_with or None))
    stored = tx.failure(attempt.failure_id)
    if stored and stored.state is FailureState.RELEASED:
        tx.set_failure_state([attempt.failure_id], FailureState.HELD)
    release = tx.release(attempt.release_id)
    if release:
        gate_at = next_gate(release.plan, release.tries, moment)
        tx.save_release(after_failure(release, gate_at))


def close_if_recovered(tx: LedgerTx, incident_id: UUID, now: datetime) -> None:
    """Close an incident of which nothing is left; where dead failures are left, it stays open and says so."""
    incident = tx.incident(incident_id)
    if incident is None or incident.closed or tx.open_failures(incident_id):
        return
    dead = tx.dead_failures(incident_id)
    if dead:
        note = f"{dead} failures are listed as dead and wait for a person (POST /recovery/retry)"
        tx.save_incident(replace(incident, note=note))
    else:
        _close(tx, incident, now)


def _close(tx: LedgerTx, incident: Incident, now: datetime) -> None:
    closed = replace(incident, state=after(incident.state, IncidentStep.RECOVER), closed_at=now, note=None)
    tx.save_incident(closed)
    tx.emit(incident_closed(closed, now))
    payload = incident_payload(closed, first_failure(tx, closed))
    queue_trigger(tx, closed, Trigger.INCIDENT_RECOVERED, payload, now)
