"""Discarding: a person gives failures up, by name and with a reason; an incident of which none is left is closed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from orchestrator.domain.commands import Command, CommandKind
from orchestrator.domain.errors import NotFound
from orchestrator.domain.failures import FailureState
from orchestrator.domain.ids import derive
from orchestrator.domain.incidents import IncidentStep, after
from orchestrator.domain.release import ReleaseState
from orchestrator.domain.selection import MOVABLE, Selection
from orchestrator.flows.announcing import command_recorded, incident_closed
from orchestrator.flows.release import finish

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx

# What of an incident that is given up can end: its redrives that are out cannot.
LEFT: Final = MOVABLE | {FailureState.REDELIVERY_PENDING}
# Failures that one statement gives up.
BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class DiscardRequest:
    """Who gives failures up, which, why and when. `command_id` is of this request."""

    command_id: UUID
    actor: str
    reason: str
    at: datetime
    selection: Selection

    @property
    def note(self) -> str:
        """Say it on each of them."""
        return f"discarded by {self.actor}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Doomed:
    """What a request would give up, by incident and state; and what it names that cannot be, by state."""

    going: Mapping[UUID, Mapping[str, int]]
    staying: Mapping[str, int]

    @property
    def number(self) -> int:
        """Count what would be given up."""
        return sum(sum(states.values()) for states in self.going.values())


def doomed(tx: LedgerTx, selection: Selection) -> Doomed:
    """Tell what would be given up, and change nothing: held and dead ones. What is on its way or over stays."""
    going: dict[UUID, dict[str, int]] = {}
    staying: dict[str, int] = {}
    for incident_id, state, number in tx.stands(selection):
        if state in MOVABLE:
            going.setdefault(incident_id, {})[str(state)] = number
        else:
            staying[str(state)] = staying.get(str(state), 0) + number
    return Doomed(going, staying)


def discard_failures(tx: LedgerTx, request: DiscardRequest) -> Doomed:
    """Give failures up, in the name of a person; an incident of which nothing is left is closed. One entry of the audit
    for each incident. Raises NotFound where the selection means no failure. To say it again changes nothing.
    """
    found = doomed(tx, request.selection)
    if not found.going and not found.staying:
        raise NotFound("failure", _named(request.selection))
    for place, (incident_id, states) in enumerate(sorted(found.going.items())):
        selection = replace(request.selection, incident_id=incident_id)
        number = _discard(tx, selection, MOVABLE, request.note, request.at)
        incident = tx.incident(incident_id)
        settled = _settled(tx, incident, request)
        if incident is None or settled is None:
            continue
        tx.save_incident(settled)
        command = Command(
            id=request.command_id if place == 0 else derive("command", request.command_id, incident_id),
            actor=request.actor,
            reason=request.reason,
            created_at=request.at,
            kind=CommandKind.DISCARD,
            failure_id=_single(request.selection),
            incident_id=incident_id,
            dependency=settled.dependency,
            before={"failures": dict(states)},
            after={"failures": {str(FailureState.DISCARDED): number}, "state": str(settled.state)},
        )
        tx.add_command(command)
        tx.emit(command_recorded(command, settled, request.at))
        if settled.closed and not incident.closed:
            close_discarded(tx, settled, request.note, request.at)
    return found


def discard_all(tx: LedgerTx, incident_id: UUID, note: str, now: datetime) -> int:
    """Give up all of an incident that has not ended, in as many statements as it has batches; gives the number."""
    return _discard(tx, Selection(incident_id=incident_id), LEFT, note, now)


def close_discarded(tx: LedgerTx, incident: Incident, note: str, now: datetime) -> None:
    """Tell the world that an incident was given up, and end its releases, which have nothing left."""
    tx.emit(incident_closed(incident, now))
    for release in tx.releases_of(incident.id):
        if not release.ended:
            finish(tx, replace(release, state=ReleaseState.ABORTED, note=note), now)


def _discard(tx: LedgerTx, selection: Selection, states: frozenset[FailureState], note: str, now: datetime) -> int:
    number = 0
    while given_up := tx.discard(replace(selection, states=states), note, now, BATCH):
        tx.settle_discarded(given_up)
        number += len(given_up)
    return number


def _settled(tx: LedgerTx, incident: Incident | None, request: DiscardRequest) -> Incident | None:
    if incident is None:
        return None
    if incident.closed or tx.any_open(incident.id) or tx.dead_failures(incident.id):
        return incident.changed()
    state = after(incident.state, IncidentStep.DISCARD)
    return replace(incident.changed(), state=state, closed_at=request.at, note=request.note)


def _single(selection: Selection) -> UUID | None:
    return next(iter(selection.ids)) if len(selection.ids) == 1 else None


def _named(selection: Selection) -> str:
    return ", ".join(sorted(map(str, selection.ids))[:3]) or str(selection.incident_id or "as it was asked for")
