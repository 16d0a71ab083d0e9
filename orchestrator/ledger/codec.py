"""Between rows and values: plans, releases, incidents, failures and attempts, each read and written in one place."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.attempts import Attempt, AttemptState
from orchestrator.domain.dependencies import Dependency, Health
from orchestrator.domain.dispatches import Dispatch, DispatchState
from orchestrator.domain.eligibility import blocked, expires_at
from orchestrator.domain.failures import Declaration, ExceptionFacts, Failure, FailureState, Kind, TaskMessage, Way
from orchestrator.domain.incidents import Incident, IncidentState, Severity
from orchestrator.domain.pacing import Phase, Ramp
from orchestrator.domain.plan import Gate, Pace, Plan, PlanName
from orchestrator.domain.release import Halt, Release, ReleaseState
from orchestrator.domain.rules import Contact, Rule
from orchestrator.domain.schedule import Misfire, Rung, Schedule
from orchestrator.domain.standing import StoredFailure
from orchestrator.ledger.route_codec import decision_from_json, decision_to_json, route_from_json, route_to_json

if TYPE_CHECKING:
    from sqlalchemy import Row


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """Give a plan as JSON."""
    document = asdict(plan)
    if plan.gate.schedule:
        document["gate"]["schedule"]["misfire"] = str(plan.gate.schedule.misfire)
    document["gate"]["at"] = plan.gate.at.isoformat() if plan.gate.at else None
    return document | {"route": route_to_json(plan.route) if plan.route else None}


def plan_from_json(document: dict[str, Any]) -> Plan:
    """Read a plan back."""
    gate = dict(document["gate"])
    gate["at"] = datetime.fromisoformat(gate["at"]) if gate["at"] else None
    gate["schedule"] = _schedule(gate.get("schedule"), gate.pop("cron", None), gate.pop("timezone", "UTC"))
    return Plan(
        name=PlanName(document["name"]),
        reason=document["reason"],
        route=route_from_json(document["route"]) if document["route"] else None,
        pace=Pace(**document["pace"]),
        gate=Gate(**gate),
        execution_id=document["execution_id"],
        built_in=document.get("built_in", False),
        edits=document.get("edits", {}),
    )


def _schedule(document: dict[str, Any] | None, cron: str | None, timezone: str) -> Schedule | None:
    """Read a schedule back; older rows have the expression and the time zone alone, beside each other in the gate."""
    if document is None:
        return Schedule(cron, timezone) if cron else None
    lists = {name: tuple(document[name]) for name in ("windows", "blackouts")}
    ladder = tuple(Rung(**rung) for rung in document["ladder"])
    return Schedule(**document | lists | {"ladder": ladder, "misfire": Misfire(document["misfire"])})


def incident_row(incident: Incident) -> dict[str, Any]:
    """Give an incident as a row."""
    row = {name: getattr(incident, name) for name in Incident.__slots__}
    row["plan"] = plan_to_json(incident.plan) if incident.plan else None
    row["dependency_key"] = incident.dependency or ""
    row |= {"kind": str(incident.kind), "state": str(incident.state), "captured": str(incident.captured)}
    return row | {"severity": str(incident.severity)}


def incident_value(row: Row[Any]) -> Incident:
    """Read an incident back."""
    values = {name: getattr(row, name) for name in Incident.__slots__}
    values |= {"kind": Kind(row.kind), "state": IncidentState(row.state), "captured": Way(row.captured)}
    values["severity"] = Severity(row.severity)
    return Incident(**values | {"plan": plan_from_json(row.plan) if row.plan else None})


def failure_row(stored: StoredFailure) -> dict[str, Any]:
    """Give a failure as a row, its message's body as bytes of its own."""
    failure = stored.failure
    message = _fields(failure.message)
    row = {name: getattr(failure, name) for name in _OF_THE_RUN} | {name: getattr(stored, name) for name in _OF_ALL}
    return row | {
        "body": message.pop("body"),
        "message": message,
        "exception": _fields(failure.exception),
        "declaration": _declared(failure.declaration),
        "captured": str(failure.captured),
        "kind": str(stored.kind),
        "counted_as": str(stored.counted_as),
        "state": str(stored.state),
        "ways": [str(way) for way in stored.ways],
        "queue": queue_of(failure.message),
        "expires_at": expires_at(failure.message),
        "blocked": blocked(failure.message),
        "arguments": dict(failure.arguments) or None,
    }


def _declared(declaration: Declaration) -> dict[str, Any]:
    """Give a declaration without what most say nothing of: each row of a storm carries it."""
    fields = _fields(declaration)
    return {name: value for name, value in fields.items() if value or name not in _OF_ARGUMENTS}


def queue_of(message: TaskMessage) -> str | None:
    """Name the queue by which a failure is found: where it was consumed from, else the key it was published with."""
    return (message.queue or message.routing_key).replace("\0", "\ufffd")[:LONGEST_QUEUE] or None


def _fields(value: TaskMessage | ExceptionFacts | Declaration) -> dict[str, Any]:
    """Give the fields of a value that holds no other: `asdict` would copy every header for each row."""
    return {name: getattr(value, name) for name in value.__slots__}


LONGEST_QUEUE: Final = 255
_OF_ARGUMENTS: Final = frozenset({"search", "edit", "positions"})
_OF_THE_RUN: Final = (
    "id", "task_id", "task", "retries", "attempt_id", "occurred_at", "event_id", "worker", "redelivery", "started_at",
    "traceparent", "organization",
)  # fmt: skip
_OF_ALL: Final = (
    "incident_id", "idempotent", "why", "last_seen_at", "began_at", "attempts", "command_release_id", "reports",
    "pending_since", "closed_at", "reason", "openings", "attempts_before", "purged_at",
)  # fmt: skip


def standing_row(stored: StoredFailure) -> dict[str, Any]:
    """Give what changes in a failure while what is known of its run stays the same."""
    row = {name: getattr(stored, name) for name in _OF_ALL} | {"id": stored.failure.id}
    return row | {
        "kind": str(stored.kind),
        "counted_as": str(stored.counted_as),
        "state": str(stored.state),
        "ways": [str(way) for way in stored.ways],
    }


def failure_value(row: Row[Any]) -> StoredFailure:
    """Read a failure back."""
    values = {name: getattr(row, name) for name in _OF_ALL}
    return StoredFailure(
        failure=_failure(row),
        kind=Kind(row.kind),
        counted_as=Kind(row.counted_as),
        state=FailureState(row.state),
        ways=tuple(Way(way) for way in row.ways),
        **values,
    )


def _failure(row: Row[Any]) -> Failure:
    facts = dict(row.exception)
    declared = {name: tuple(row.declaration.get(name, ())) for name in ("route", "never", "search")}
    return Failure(
        exception=ExceptionFacts(**facts | {"chain": tuple(facts["chain"])}),
        message=TaskMessage(body=row.body, **row.message | {"redacted": tuple(row.message.get("redacted", ()))}),
        declaration=Declaration(**row.declaration | declared),
        captured=Way(row.captured),
        arguments=row.arguments or {},
        **{name: getattr(row, name) for name in _OF_THE_RUN},
    )


def release_row(release: Release) -> dict[str, Any]:
    """Give a release as a row."""
    row = {name: getattr(release, name) for name in Release.__slots__}
    halted = str(release.halted) if release.halted else None
    return row | {"plan": plan_to_json(release.plan), "state": str(release.state), "halted": halted}


def release_value(row: Row[Any]) -> Release:
    """Read a release back."""
    values = {name: getattr(row, name) for name in Release.__slots__}
    values |= {"plan": plan_from_json(row.plan), "state": ReleaseState(row.state)}
    return Release(**values | {"halted": Halt(row.halted) if row.halted else None})


def attempt_row(attempt: Attempt) -> dict[str, Any]:
    """Give an attempt as a row."""
    row = {name: getattr(attempt, name) for name in Attempt.__slots__}
    decision = attempt.decision
    return row | {
        "state": str(attempt.state),
        "route": decision.chosen.name if decision and decision.chosen else None,
        "decision": decision_to_json(decision) if decision else None,
    }


def attempt_value(row: Row[Any]) -> Attempt:
    """Read an attempt back."""
    values = {name: getattr(row, name) for name in Attempt.__slots__}
    decision = decision_from_json(row.decision) if row.decision else None
    return Attempt(**values | {"state": AttemptState(row.state), "decision": decision})


def dependency_row(dependency: Dependency) -> dict[str, Any]:
    """Give a dependency as a row."""
    row = {name: getattr(dependency, name) for name in Dependency.__slots__}
    return row | {"health": str(dependency.health)}


def dependency_value(row: Row[Any]) -> Dependency:
    """Read a dependency back."""
    values = {name: getattr(row, name) for name in Dependency.__slots__}
    return Dependency(**values | {"health": Health(row.health)})


def ramp_row(ramp: Ramp) -> dict[str, Any]:
    """Give a ramp as a row."""
    return {name: getattr(ramp, name) for name in Ramp.__slots__} | {"phase": str(ramp.phase)}


def ramp_value(row: Row[Any]) -> Ramp:
    """Read a ramp back."""
    values = {name: getattr(row, name) for name in Ramp.__slots__}
    return Ramp(**values | {"phase": Phase(row.phase)})


def contact_row(contact: Contact) -> dict[str, Any]:
    """Give what is known of StackStorm as a row."""
    row = {name: getattr(contact, name) for name in Contact.__slots__}
    return row | {"rules": None if contact.rules is None else [asdict(rule) for rule in contact.rules]}


def contact_value(row: Row[Any]) -> Contact:
    """Read it back."""
    values = {name: getattr(row, name) for name in Contact.__slots__}
    return Contact(**values | {"rules": None if row.rules is None else tuple(Rule(**each) for each in row.rules)})


def dispatch_row(dispatch: Dispatch) -> dict[str, Any]:
    """Give a trigger as a row."""
    row = {name: getattr(dispatch, name) for name in Dispatch.__slots__}
    row |= {"rules": list(dispatch.rules), "execution_ids": list(dispatch.execution_ids)}
    return row | {"state": str(dispatch.state), "payload": dict(dispatch.payload)}


def dispatch_value(row: Row[Any]) -> Dispatch:
    """Read a trigger back."""
    values = {name: getattr(row, name) for name in Dispatch.__slots__}
    values |= {"rules": tuple(row.rules), "execution_ids": tuple(row.execution_ids)}
    return Dispatch(**values | {"state": DispatchState(row.state)})
