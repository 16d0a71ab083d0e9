"""An incident: all open failures with one signature and one dependency. It owns plan, escalation and audit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.errors import IllegalTransition

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.failures import Kind
    from orchestrator.domain.plan import Plan


class IncidentState(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    PLANNED = "planned"
    WAITING = "waiting"
    RECOVERED = "recovered"
    DISCARDED = "discarded"


class IncidentStep(StrEnum):
    """What can happen to an incident."""

    PLAN = "plan"
    WAIT = "wait"
    RECOVER = "recover"
    DISCARD = "discard"


UNDECIDED: Final = (IncidentState.OPEN, IncidentState.PLANNED, IncidentState.WAITING)
CLOSED: Final = frozenset({IncidentState.RECOVERED, IncidentState.DISCARDED})
_TARGETS: Final = {
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
    """One incident as the ledger holds it. An instruction decided on an older `revision` is refused."""

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

    @property
    def closed(self) -> bool:
        """Tell whether nothing is left to do."""
        return self.state in CLOSED


class Trigger(StrEnum):
    """The triggers of the pack: transitions of an incident, never single failures."""

    INCIDENT_OPENED = "redrive.incident_opened"
    INCIDENT_GREW = "redrive.incident_grew"
    INCIDENT_RECLASSIFIED = "redrive.incident_reclassified"
    RELEASE_SUCCEEDED = "redrive.release_succeeded"
    RELEASE_FAILED = "redrive.release_failed"
    ATTEMPTS_EXHAUSTED = "redrive.attempts_exhausted"
    INCIDENT_RECOVERED = "redrive.incident_recovered"


# What a plan is expected to answer. Growth may be answered, and is no reason to overwrite why nobody has decided.
DECIDING: Final = frozenset({Trigger.INCIDENT_OPENED, Trigger.INCIDENT_RECLASSIFIED})


def grew_to(size: int) -> bool:
    """Tell whether this size is one that rules are told of: 10, 100, 1,000, ..."""
    return size >= 10 and set(str(size)[1:]) == {"0"} and str(size)[0] == "1"  # noqa: PLR2004 - the first step of the ladder


def incident_payload(incident: Incident, first_failure: Mapping[str, Any], tries: int = 0) -> dict[str, Any]:
    """Give what a trigger tells a rule of an incident: enough to decide on, with the first failure event whole."""
    return {
        "incident_id": str(incident.id),
        "revision": incident.revision,
        "kind": str(incident.kind),
        "why": incident.why,
        "size": incident.size,
        "dependency": incident.dependency,
        "signature": incident.signature,
        "task": incident.task,
        "idempotent": incident.idempotent,
        "tries": tries,
        "failure": dict(first_failure),
    }
