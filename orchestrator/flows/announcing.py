"""What the ledger tells the world of its own steps: one function for each event, its id made of what it tells of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventbus.wire import (
    ATTEMPT_RECORDED,
    COMMAND_RECORDED,
    INCIDENT_CLOSED,
    INCIDENT_OPENED,
    INCIDENT_PLANNED,
    RELEASE_ENDED,
    Event,
)
from orchestrator.domain.ids import derive

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.domain.attempts import Attempt
    from orchestrator.domain.commands import RetryCommand
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.release import Release, ReleaseCounts

SOURCE = "urn:redrive:orchestrator"


def incident_opened(incident: Incident, now: datetime) -> Event:
    """Tell that an incident was opened."""
    return _event(INCIDENT_OPENED, now, _incident(incident), incident.id)


def incident_planned(incident: Incident, now: datetime) -> Event:
    """Tell which plan an incident has now, and who made it."""
    plan = incident.plan
    extra = {"plan": plan.name, "execution_id": plan.execution_id, "plan_reason": plan.reason} if plan else {}
    return _event(INCIDENT_PLANNED, now, _incident(incident) | extra, incident.id, incident.revision)


def incident_closed(incident: Incident, now: datetime) -> Event:
    """Tell how an incident ended."""
    return _event(INCIDENT_CLOSED, now, _incident(incident), incident.id)


def attempt_recorded(attempt: Attempt, now: datetime) -> Event:
    """Tell that a failure is about to be redriven."""
    data = {
        "attempt_id": str(attempt.id),
        "failure_id": str(attempt.failure_id),
        "task_id": attempt.task_id,
        "incident_id": str(attempt.incident_id),
        "release_id": str(attempt.release_id),
        "number": attempt.number,
        "plan": attempt.plan,
        "execution_id": attempt.execution_id,
    }
    return _event(ATTEMPT_RECORDED, now, data, attempt.id)


def release_ended(release: Release, counts: ReleaseCounts, now: datetime) -> Event:
    """Tell how a release went, in numbers."""
    data = {
        "release_id": str(release.id),
        "incident_id": str(release.incident_id),
        "outcome": str(release.state),
        "first_attempts": counts.first_attempts,
        "first_successes": counts.first_successes,
        "attempts": counts.attempts,
        "successes": counts.successes,
    }
    return _event(RELEASE_ENDED, now, data, release.id)


def command_recorded(command: RetryCommand, now: datetime) -> Event:
    """Tell who asked for what, and why."""
    data = {
        "command_id": str(command.id),
        "actor": command.actor,
        "reason": command.reason,
        "failure_id": str(command.failure_id),
        "incident_id": str(command.incident_id),
        "release_id": str(command.release_id),
    }
    return _event(COMMAND_RECORDED, now, data, command.id)


def _incident(incident: Incident) -> dict[str, Any]:
    return {
        "incident_id": str(incident.id),
        "signature": incident.signature,
        "kind": str(incident.kind),
        "task": incident.task,
        "dependency": incident.dependency,
        "size": incident.size,
        "state": str(incident.state),
        "revision": incident.revision,
        "reason": incident.note or incident.why,
    }


def _event(event_type: str, now: datetime, data: dict[str, Any], *identity: object) -> Event:
    return Event(id=str(derive(event_type, *identity)), source=SOURCE, type=event_type, time=now, data=data)
