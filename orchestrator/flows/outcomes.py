"""Outcomes: what a redriven run brought, for its failure, its release and its incident."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.domain.attempts import IN_FLIGHT, AttemptState
from orchestrator.domain.failures import FailureState
from orchestrator.domain.incidents import IncidentState, IncidentStep, Trigger, after, incident_payload
from orchestrator.domain.release import after_failure, after_success
from orchestrator.flows.announcing import incident_closed
from orchestrator.flows.gates import next_gate
from orchestrator.flows.triggers import queue_trigger

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.attempts import Attempt
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.moment import Moment


def record_outcome(tx: LedgerTx, attempt_id: UUID, moment: Moment, *, failed_with: str | None) -> None:
    """Note how an attempt ended (`failed_with` None: well). A second outcome of an attempt counts as a duplicate."""
    attempt = tx.attempt(attempt_id)
    if attempt is None:
        return
    if attempt.state not in IN_FLIGHT:
        _count_repeat(tx, attempt, failed_with)
        return
    if failed_with is None:
        _succeed(tx, attempt, moment.at)
    else:
        _fail(tx, attempt, moment, failed_with)


def _count_repeat(tx: LedgerTx, attempt: Attempt, failed_with: str | None) -> None:
    # A failing run reports twice by design: the failure event, and the end of the attempt.
    if attempt.state is AttemptState.SUCCEEDED or failed_with is None:
        tx.save_attempt(replace(attempt, duplicates=attempt.duplicates + 1))


def _succeed(tx: LedgerTx, attempt: Attempt, now: datetime) -> None:
    tx.save_attempt(replace(attempt, state=AttemptState.SUCCEEDED, ended_at=now))
    tx.set_failure_state([attempt.failure_id], FailureState.RECOVERED)
    release = tx.release(attempt.release_id)
    if release:
        tx.save_release(after_success(release))
    close_if_recovered(tx, attempt.incident_id, now)


def _fail(tx: LedgerTx, attempt: Attempt, moment: Moment, reason: str) -> None:
    tx.save_attempt(replace(attempt, state=AttemptState.FAILED, ended_at=moment.at, reason=reason or None))
    tx.set_failure_state([attempt.failure_id], FailureState.HELD)
    release = tx.release(attempt.release_id)
    if release:
        gate_at = next_gate(release.plan, release.tries, moment)
        tx.save_release(after_failure(release, gate_at))


def close_if_recovered(tx: LedgerTx, incident_id: UUID, now: datetime) -> None:
    """Close an incident of which nothing is left open."""
    incident = tx.incident(incident_id)
    if incident is None or incident.closed or tx.open_failures(incident_id):
        return
    state = after(incident.state, IncidentStep.RECOVER)
    closed = replace(incident, state=state, closed_at=now, note=None)
    tx.save_incident(closed)
    tx.emit(incident_closed(closed, now))
    if state is IncidentState.RECOVERED:
        queue_trigger(tx, closed, Trigger.INCIDENT_RECOVERED, incident_payload(closed, {}), now)
