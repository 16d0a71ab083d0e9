"""Recording: a failure finds its incident, or opens one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from orchestrator.domain.attempts import Outcome
from orchestrator.domain.classify import classify
from orchestrator.domain.ids import derive
from orchestrator.domain.incidents import Incident, IncidentState, Trigger, grew_to, incident_payload
from orchestrator.domain.signature import signature
from orchestrator.flows.announcing import incident_opened
from orchestrator.flows.outcomes import record_outcome
from orchestrator.flows.reading import first_failure
from orchestrator.flows.triggers import queue_trigger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from orchestrator.domain.classify import Verdict
    from orchestrator.domain.failures import Failure
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.moment import Moment


@dataclass(frozen=True, slots=True)
class Recorder:
    """What the operator's settings add to the tasks' own declarations: name patterns of tasks that may run twice."""

    idempotent_patterns: tuple[str, ...] = ()

    def may_run_twice(self, failure: Failure) -> bool:
        """Tell whether the task was declared idempotent, on itself or by a name pattern in the settings."""
        return failure.declaration.idempotent or any(
            fnmatchcase(failure.task, each) for each in self.idempotent_patterns
        )


def record_failure(tx: LedgerTx, recorder: Recorder, failure: Failure, data: Mapping[str, Any], moment: Moment) -> None:
    """Take a failure in: seen before, nothing changes; a failed attempt is an outcome; any other joins an incident."""
    if not tx.first_sight(failure.event_id, failure.id, failure.attempt_id) or tx.failure(failure.id):
        return
    if failure.attempt_id and tx.attempt(failure.attempt_id):
        reason = f"{failure.exception.type}: {failure.exception.message[:200]}"
        record_outcome(tx, failure.attempt_id, Outcome(failed_with=reason, again=False), moment)
        return
    _join(tx, recorder, failure, data, moment.at)


def _join(tx: LedgerTx, recorder: Recorder, failure: Failure, data: Mapping[str, Any], now: datetime) -> None:
    verdict = classify(failure.exception)
    looks_like = signature(failure.task, failure.exception.type, failure.exception.message)
    idempotent = recorder.may_run_twice(failure)
    incident = tx.open_incident(looks_like, failure.declaration.dependency)
    if incident:
        _grow(tx, incident, now)
    else:
        incident = _opened(failure, verdict, looks_like, now, idempotent=idempotent)
        tx.add_incident(incident)
        tx.emit(incident_opened(incident, now))
        queue_trigger(tx, incident, Trigger.INCIDENT_OPENED, incident_payload(incident, data), now)
    tx.add_failure(failure, incident.id, verdict.kind, idempotent=idempotent)


def _opened(failure: Failure, verdict: Verdict, looks_like: str, now: datetime, *, idempotent: bool) -> Incident:
    return Incident(
        id=derive("incident", failure.id),
        signature=looks_like,
        dependency=failure.declaration.dependency,
        task=failure.task,
        kind=verdict.kind,
        why=verdict.why,
        state=IncidentState.OPEN,
        revision=1,
        size=1,
        idempotent=idempotent,
        opened_at=now,
        first_failure_id=failure.id,
    )


def _grow(tx: LedgerTx, incident: Incident, now: datetime) -> None:
    grown = replace(incident, size=incident.size + 1)
    tx.save_incident(grown)
    # A plan that stands moves newcomers by itself; only an incident that waits could get another answer for its size.
    if grown.state is IncidentState.WAITING and grew_to(grown.size):
        payload = incident_payload(grown, first_failure(tx, grown))
        queue_trigger(tx, grown, Trigger.INCIDENT_GREW, payload, now)
