"""What the ledger tells the world of its own steps: one function for each event, its id made of what it tells of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventbus.wire import (
    ATTEMPT_RECORDED,
    COMMAND_RECORDED,
    DEPENDENCY_CHANGED,
    INCIDENT_CLOSED,
    INCIDENT_OPENED,
    INCIDENT_PLANNED,
    RELEASE_ENDED,
    Event,
)
from orchestrator.domain.ids import derive
from orchestrator.domain.traces import attempt_context

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.attempts import Attempt
    from orchestrator.domain.commands import Command
    from orchestrator.domain.dependencies import Dependency
    from orchestrator.domain.failures import Failure
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.release import Release, ReleaseCounts
    from orchestrator.domain.traces import SpanContext

SOURCE = "urn:redrive:orchestrator"


def incident_opened(incident: Incident, now: datetime) -> Event:
    """Tell that an incident was opened."""
    return _event(INCIDENT_OPENED, now, _incident(incident), incident.id, place=incident.context)


def incident_planned(incident: Incident, now: datetime) -> Event:
    """Tell which plan an incident has now, and who made it."""
    plan = incident.plan
    extra = {"plan": plan.name, "execution_id": plan.execution_id, "plan_reason": plan.reason} if plan else {}
    built_in = plan is not None and plan.built_in
    data = _incident(incident) | extra | {"built_in": built_in}
    # The built-in plan leaves the revision as it is.
    identity = (incident.id, incident.revision, "built in") if built_in else (incident.id, incident.revision)
    return _event(INCIDENT_PLANNED, now, data, *identity, place=incident.context)


def incident_closed(incident: Incident, now: datetime) -> Event:
    """Tell how an incident ended."""
    return _event(INCIDENT_CLOSED, now, _incident(incident), incident.id, place=incident.context)


def attempt_recorded(attempt: Attempt, failure: Failure, incident: Incident, now: datetime) -> Event:
    """Tell that a failure is about to be redriven; its trace leads back to the run that failed, and to the incident."""
    data = {
        "attempt_id": str(attempt.id),
        "failure_id": str(attempt.failure_id),
        "task_id": attempt.task_id,
        "incident_id": str(attempt.incident_id),
        "release_id": str(attempt.release_id),
        "number": attempt.number,
        "plan": attempt.plan,
        "execution_id": attempt.execution_id,
        "link": failure.traceparent,
        "incident_traceparent": incident.context.traceparent,
    }
    place = place_of(attempt.id, failure, incident)
    return _event(ATTEMPT_RECORDED, now, data, attempt.id, place=place)


def place_of(attempt_id: UUID, failure: Failure, incident: Incident) -> SpanContext:
    """Give a redrive's place in a trace; the run that it brings is its child."""
    return attempt_context(attempt_id, incident.context, leads=failure.id == incident.first_failure_id)


def release_ended(release: Release, counts: ReleaseCounts, incident: Incident | None, now: datetime) -> Event:
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
    return _event(RELEASE_ENDED, now, data, release.id, place=incident.context if incident else None)


def dependency_changed(dependency: Dependency, before: Dependency, now: datetime) -> Event:
    """Tell that the health of a dependency changed, and why."""
    data = {
        "dependency": dependency.name,
        "health": str(dependency.health),
        "before": str(before.health),
        "reason": dependency.why,
        "failures": round(dependency.failures, 3),
        "successes": round(dependency.successes, 3),
    }
    identity = (dependency.name, before.health, dependency.health, now.isoformat())
    return _event(DEPENDENCY_CHANGED, now, data, *identity, place=None)


def command_recorded(command: Command, incident: Incident | None, now: datetime) -> Event:
    """Tell who asked for what, and why, what it changed, and whether it was forced."""
    about = ("failure_id", "incident_id", "release_id")
    ids = {name: getattr(command, name) for name in about}
    data = {
        "command_id": str(command.id),
        "command": str(command.kind),
        "actor": command.actor,
        "reason": command.reason,
        **{name: str(value) if value else None for name, value in ids.items()},
        "dependency": command.dependency,
        "forced": command.forced,
        "before": dict(command.before),
        "after": dict(command.after),
    }
    return _event(COMMAND_RECORDED, now, data, command.id, place=incident.context if incident else None)


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
        "opened_at": incident.opened_at.isoformat(),
        "link": incident.traceparent,
    }


def _event(event_type: str, now: datetime, data: dict[str, Any], *identity: object, place: SpanContext | None) -> Event:
    extensions = {"traceparent": place.traceparent} if place else {}
    event_id = str(derive(event_type, *identity))
    return Event(id=event_id, source=SOURCE, type=event_type, time=now, data=data, extensions=extensions)
