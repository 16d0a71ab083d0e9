"""Outcomes: what a redriven run brought, for its failure, its release and its incident."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from orchestrator.domain.attempts import IN_FLIGHT, Attempt, AttemptState, Outcome
from orchestrator.domain.failures import FailureState
from orchestrator.domain.incidents import Incident, IncidentStep, Trigger, after, incident_payload
from orchestrator.domain.pacing import Phase
from orchestrator.domain.standing import moved
from orchestrator.flows.announcing import incident_closed
from orchestrator.flows.ramps import redrive_went_badly, redrive_went_well
from orchestrator.flows.reading import first_failure
from orchestrator.flows.triggers import queue_trigger

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.moment import Moment
    from orchestrator.domain.standing import StoredFailure


# A redrive may be under way in these states: in the second one, its message is the broker's to deliver again.
FLYING: Final = (FailureState.RELEASED, FailureState.REDELIVERY_PENDING)
UNEXPLAINED: Final = "its run failed, and no failure event came to say with what"


def hear_end(tx: LedgerTx, attempt_id: UUID, outcome: Outcome, moment: Moment) -> None:
    """Take in that the run of an attempt ended. A failed one stays in flight until its failure event says with what.

    That event has its own queue and may come second; what the failure is decides over gate, window and incident.
    Where it never comes, `end_unexplained` ends the attempt.
    """
    attempt = tx.attempt(attempt_id)
    if attempt is None or outcome.succeeded or attempt.state not in IN_FLIGHT:
        record_outcome(tx, attempt_id, outcome, moment)
    elif attempt.ended_at is None:
        published_at = attempt.published_at or moment.at  # it ran: its publisher may have died before noting that
        awaiting = replace(attempt, published_at=published_at, ended_at=moment.at)
        tx.save_attempt(replace(awaiting, state=AttemptState.PUBLISHED))


def end_unexplained(tx: LedgerTx, told_before: datetime, limit: int, moment: Moment) -> int:
    """End attempts that are known to have failed since before that time, and whose failure event never came.

    Gives the number of attempts.
    """
    found = tx.unexplained(told_before, limit)
    for attempt in found:
        record_outcome(tx, attempt.id, Outcome(failed_with=UNEXPLAINED), moment)
    return len(found)


def record_outcome(tx: LedgerTx, attempt_id: UUID, outcome: Outcome, moment: Moment) -> None:
    """Note how an attempt ended. A further run of an attempt that had ended counts as a duplicate execution."""
    attempt = tx.attempt(attempt_id)
    if attempt is None:
        return
    if attempt.state in IN_FLIGHT:
        _end(tx, attempt, outcome, moment)
    elif attempt.state is AttemptState.LOST:
        _hear_late(tx, attempt, outcome, moment)
    else:
        _hear_again(tx, attempt, outcome, moment.at)


def _end(tx: LedgerTx, attempt: Attempt, outcome: Outcome, moment: Moment) -> None:
    if outcome.succeeded:
        _succeed(tx, attempt, outcome, moment)
    else:
        _fail(tx, attempt, outcome, moment)


def _hear_late(tx: LedgerTx, attempt: Attempt, outcome: Outcome, moment: Moment) -> None:
    if outcome.succeeded:
        _succeed(tx, attempt, outcome, moment)
        return
    reason = outcome.failed_with or None
    tx.save_attempt(replace(attempt, state=AttemptState.FAILED, ended_at=moment.at, reason=reason))


def _hear_again(tx: LedgerTx, attempt: Attempt, outcome: Outcome, now: datetime) -> None:
    # A second report of the failing run is no second run; anything else that ran is.
    if outcome.again and (outcome.succeeded or attempt.state is AttemptState.SUCCEEDED):
        tx.save_attempt(replace(attempt, duplicates=attempt.duplicates + 1))
    if outcome.succeeded and attempt.state is AttemptState.FAILED:
        _recover(tx, attempt, outcome, now)


def _succeed(tx: LedgerTx, attempt: Attempt, outcome: Outcome, moment: Moment) -> None:
    now = moment.at
    stored = tx.failure(attempt.failure_id)
    ran_before = stored is not None and stored.state is FailureState.RECOVERED
    failed_before = attempt.state in IN_FLIGHT and attempt.ended_at is not None
    duplicates = attempt.duplicates + (ran_before or failed_before)
    tx.save_attempt(replace(attempt, state=AttemptState.SUCCEEDED, ended_at=now, duplicates=duplicates, reason=None))
    redrive_went_well(tx, attempt, moment)
    _recover(tx, attempt, outcome, now)


def _recover(tx: LedgerTx, attempt: Attempt, outcome: Outcome, now: datetime) -> None:
    """Recover a failure, unless its task is known to have failed again in a run that began after this one ended."""
    stored = tx.failure(attempt.failure_id)
    if stored is None or attempt.number <= stored.attempts_before or stored.state is FailureState.RECOVERED:
        return
    ended = min(outcome.ended_at or now, now)
    # Clocks of workers differ: only what was heard of after the redrive was recorded can be a run after it.
    if stored.open and stored.began_at > ended and stored.last_seen_at > attempt.recorded_at:
        tx.save_failure(moved(stored, FailureState.HELD, now))
        return
    tx.save_failure(moved(stored, FailureState.RECOVERED, ended))
    close_if_recovered(tx, stored.incident_id, now)


def _fail(tx: LedgerTx, attempt: Attempt, outcome: Outcome, moment: Moment) -> None:
    state = AttemptState.LOST if outcome.lost else AttemptState.FAILED
    tx.save_attempt(replace(attempt, state=state, ended_at=moment.at, reason=outcome.failed_with or None))
    stored = tx.failure(attempt.failure_id)
    if stored and stored.state in FLYING and attempt.number == stored.attempts:
        tried = _tried_enough(tx, stored, attempt)
        state_after = FailureState.DEAD if outcome.refused or tried else FailureState.HELD
        tx.save_failure(moved(stored, state_after, moment.at, tried or outcome.failed_with))
        if state_after is FailureState.DEAD:
            close_if_recovered(tx, stored.incident_id, moment.at)
    redrive_went_badly(tx, attempt, outcome, moment)


def _tried_enough(tx: LedgerTx, stored: StoredFailure, attempt: Attempt) -> str | None:
    """Say why a failure is given to a person: it fails again and again while others of its ramp go well, or it may
    not run again by itself.
    """
    release = tx.release(attempt.release_id)
    if release and release.command_id and not stored.idempotent:
        return "its task is not declared idempotent: it runs once for each command"
    ramp = tx.ramp(release.ramp) if release else None
    ramping = ramp is not None and ramp.phase is Phase.RAMPING
    if release is None or not ramping or stored.tries < release.plan.pace.tries_each:
        return None
    return f"its redrives failed {stored.tries} times while others went well"


def close_if_recovered(tx: LedgerTx, incident_id: UUID, now: datetime) -> None:
    """Close an incident of which nothing is left; where dead failures are left, it stays open and says so."""
    incident = tx.incident(incident_id)
    if incident is None or incident.closed or tx.any_open(incident_id):
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
    if closed.told_at is not None:
        payload = incident_payload(closed, first_failure(tx, closed))
        queue_trigger(tx, closed, Trigger.INCIDENT_RECOVERED, payload, now)
