"""An incident: all open failures with one signature and one dependency. It owns plan, escalation and audit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.errors import IllegalTransition
from orchestrator.domain.failures import Kind, Way
from orchestrator.domain.traces import context_of, incident_context

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.plan import Plan
    from orchestrator.domain.traces import SpanContext


class IncidentState(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    PLANNED = "planned"
    WAITING = "waiting"
    RECOVERED = "recovered"
    DISCARDED = "discarded"


class Severity(StrEnum):
    """How bad an incident is for those who are woken: the words of syslog and PagerDuty, the mildest first."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class IncidentStep(StrEnum):
    """What can happen to an incident."""

    ASK = "ask"
    PLAN = "plan"
    WAIT = "wait"
    RECOVER = "recover"
    DISCARD = "discard"


SOME_WAIT: Final = (
    "some of its tasks are not declared idempotent, and wait for a person; "
    "release them by hand (POST /recovery/retry), or declare them: @app.task(redrive={'idempotent': True})"
)
UNDECIDED: Final = (IncidentState.OPEN, IncidentState.PLANNED, IncidentState.WAITING)
CLOSED: Final = frozenset({IncidentState.RECOVERED, IncidentState.DISCARDED})
_TARGETS: Final = {
    IncidentStep.ASK: IncidentState.OPEN,
    IncidentStep.PLAN: IncidentState.PLANNED,
    IncidentStep.WAIT: IncidentState.WAITING,
    IncidentStep.RECOVER: IncidentState.RECOVERED,
    IncidentStep.DISCARD: IncidentState.DISCARDED,
}
TRANSITIONS: Final[Mapping[tuple[IncidentState, IncidentStep], IncidentState]] = {
    (state, step): target for state in UNDECIDED for step, target in _TARGETS.items()
}


def after(state: IncidentState, step: IncidentStep) -> IncidentState:
    """Look the next state up; raises IllegalTransition when the table has none (a closed incident stays closed)."""
    try:
        return TRANSITIONS[state, step]
    except KeyError:
        raise IllegalTransition(state, step) from None


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident as the ledger holds it. Each change that somebody decided on raises its `revision`.

    `asked_on` is the revision on which the rules were asked last: an instruction decided on an older one is refused.
    One decided on that or a later one is in time: what people did meanwhile (assign, acknowledge, hold, retry) answers
    no question of the rules.

    `captured` is the way in which its first failure ended, `traceparent` the trace that it was in; `told_at`, when the
    rules were told of it: not before there is something to decide. Nothing of it goes while a person holds it.
    """

    id: UUID
    signature: str
    dependency: str | None
    task: str
    kind: Kind
    why: str
    state: IncidentState
    revision: int
    size: int
    idempotent: bool
    opened_at: datetime
    first_failure_id: UUID
    plan: Plan | None = None
    note: str | None = None
    closed_at: datetime | None = None
    captured: Way = Way.EXCEPTION
    told_at: datetime | None = None
    traceparent: str | None = None
    held_by: str | None = None
    held_reason: str | None = None
    held_at: datetime | None = None
    asked_on: int = 1
    owner: str | None = None
    severity: Severity = Severity.ERROR
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    snoozed_until: datetime | None = None

    @property
    def context(self) -> SpanContext:
        """Give its place in the trace of its first failure, or in one of its own."""
        return incident_context(self.id, context_of(self.traceparent))

    @property
    def closed(self) -> bool:
        """Tell whether nothing is left to do."""
        return self.state in CLOSED

    def asked_anew(self) -> Incident:
        """Raise the revision for a question to the rules: answers to the one before are out of date."""
        return replace(self, revision=self.revision + 1, asked_on=self.revision + 1)

    def changed(self) -> Incident:
        """Raise the revision for what a person changed: a rule that was asked before may still answer."""
        return replace(self, revision=self.revision + 1)


class Trigger(StrEnum):
    """The triggers of the pack: transitions of an incident; of single failures only where the settings want it."""

    INCIDENT_OPENED = "redrive.incident_opened"
    INCIDENT_GREW = "redrive.incident_grew"
    INCIDENT_RECLASSIFIED = "redrive.incident_reclassified"
    RELEASE_SUCCEEDED = "redrive.release_succeeded"
    RELEASE_FAILED = "redrive.release_failed"
    ATTEMPTS_EXHAUSTED = "redrive.attempts_exhausted"
    INCIDENT_RECOVERED = "redrive.incident_recovered"
    TASK_FAILED = "redrive.task_failed"


# Those that somebody has to answer, or nothing goes on; the others only tell rules of something.
ASKING: Final = frozenset({Trigger.INCIDENT_OPENED, Trigger.INCIDENT_RECLASSIFIED, Trigger.ATTEMPTS_EXHAUSTED})
# What a plan is expected to answer. Growth may be answered, and is no reason to overwrite why nobody has decided.
DECIDING: Final = frozenset({Trigger.INCIDENT_OPENED, Trigger.INCIDENT_RECLASSIFIED})


# Kinds that one outage shows by turns: what is transient before the dependency counts as down, and after it.
BY_TURNS: Final = frozenset({Kind.TRANSIENT, Kind.DEPENDENCY_DOWN, Kind.RATE_LIMITED})
# For how long the answer to a question by one of these kinds holds.
ANSWER_HOLDS: Final = timedelta(hours=1)
LOOK_AT_EACH: Final = 64


def prevailing(kinds: Mapping[Kind, int], known: Kind) -> Kind:
    """Give the kind that most failures of an incident have; the one that is known where no other has more.

    Of two kinds that one outage shows by turns, the other needs twice as many.
    """
    most = max(kinds, key=lambda kind: kinds[kind], default=known)
    needed = 2 if {most, known} <= BY_TURNS else 1
    return known if needed * kinds.get(known, 0) >= kinds.get(most, 0) else most


def worth_a_look(size: int) -> bool:
    """Tell whether an incident that has grown to this size is to be looked at for its prevailing kind: of a large one
    no single failure turns it, and to count them all for each would take as long as all before.
    """
    return size <= LOOK_AT_EACH or size % LOOK_AT_EACH == 0


def grew_to(size: int) -> bool:
    """Tell whether this size is one that rules are told of: 10, 100, 1,000, ..."""
    return size >= 10 and set(str(size)[1:]) == {"0"} and str(size)[0] == "1"  # noqa: PLR2004 - the first step of the ladder


def incident_payload(incident: Incident, first_failure: Mapping[str, Any], tries: int = 0) -> dict[str, Any]:
    """Give what a trigger tells a rule of an incident: enough to decide on, with the first failure event whole.

    `stands_for` counts the incidents that the answer is for, itself included.
    """
    return {
        "incident_id": str(incident.id),
        "revision": incident.revision,
        "kind": str(incident.kind),
        "why": incident.why,
        "captured": str(incident.captured),
        "size": incident.size,
        "dependency": incident.dependency,
        "signature": incident.signature,
        "task": incident.task,
        "idempotent": incident.idempotent,
        "tries": tries,
        "stands_for": 1,
        "failure": dict(first_failure),
    }
