"""Finding what an id names: a failure, an incident, a recovery, a redrive, a release, a command, a task, an event."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

from orchestrator.domain.errors import NotFound
from orchestrator.flows.explaining.events import story_of_event
from orchestrator.flows.explaining.failures import story_of_failure
from orchestrator.flows.explaining.incidents import story_of_incident
from orchestrator.flows.explaining.recoveries import story_of_recovery

if TYPE_CHECKING:
    from orchestrator.domain.events import StoredEvent
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.standing import StoredFailure
    from orchestrator.domain.story import Story
    from orchestrator.flows.desk import Fate
    from orchestrator.flows.explaining.known import Known

KINDS: Final = "task that failed, failure, incident, recovery, release, redrive, command or event"


def story_of(tx: LedgerTx, named: str, known: Known) -> Story | None:
    """Tell the story of what the ledger knows by this id; None where it knows nothing."""
    with suppress(ValueError):
        found = _by_id(tx, UUID(named), known)
        if found:
            return found
    stored = tx.failure_of_task(named)
    return _of_task(tx, stored, known) if stored else None


def story_of_an_event(tx: LedgerTx, event: StoredEvent, fates: list[Fate], known: Known) -> Story:
    """Tell the story of an event, and of the failure, the incident that it tells of."""
    return story_of_event(event, fates, lambda named: story_of(tx, named, known))


def unknown(named: str) -> NotFound:
    """Say which ids are known at all."""
    return NotFound(KINDS, named)


def _of_task(tx: LedgerTx, stored: StoredFailure, known: Known) -> Story:
    told = story_of_failure(tx, stored, known)
    return replace(told, about="task", id=stored.failure.task_id, title=stored.failure.task)


def _by_id(tx: LedgerTx, key: UUID, known: Known) -> Story | None:
    stored = tx.failure(key)
    attempt = None if stored else tx.attempt(key)
    if stored is None and attempt is not None:
        stored = tx.failure(attempt.failure_id)
    if stored is not None:
        told = story_of_failure(tx, stored, known)
        return replace(told, about="redrive", id=str(key)) if attempt else told
    recovery = tx.recovery(key)
    if recovery is not None:
        return story_of_recovery(tx, recovery, known)
    incident_id = _incident_of(tx, key)
    incident = tx.incident(incident_id) if incident_id else None
    return story_of_incident(tx, incident, known) if incident else None


def _incident_of(tx: LedgerTx, key: UUID) -> UUID | None:
    """Name the incident that an id belongs to: its own, a release's, a command's."""
    if tx.incident(key):
        return key
    release = tx.release(key)
    if release:
        return release.incident_id
    command = tx.command(key)
    return command.incident_id if command else None
