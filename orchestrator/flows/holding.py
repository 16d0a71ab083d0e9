"""Holding: a person keeps the redrives of a dependency or of an incident back, and lets them go again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from orchestrator.domain.commands import Command, CommandKind
from orchestrator.domain.dependencies import Dependency
from orchestrator.domain.errors import Conflict, NotFound
from orchestrator.flows.announcing import command_recorded
from orchestrator.flows.auditing import refuse_outdated

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.dependencies import Policies
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """A person wants nothing to go, or with `lift` what was kept back to go again; `command_id` is of this request.

    With `revision` an incident is meant as it was then, and no other.
    """

    command_id: UUID
    actor: str
    reason: str
    at: datetime
    lift: bool = False
    revision: int | None = None

    @property
    def kind(self) -> CommandKind:
        """Tell which command this is."""
        return CommandKind.RELEASE if self.lift else CommandKind.HOLD

    def held(self) -> dict[str, Any]:
        """Give what stands in the ledger afterwards."""
        if self.lift:
            return {"held_by": None, "held_reason": None, "held_at": None}
        return {"held_by": self.actor, "held_reason": self.reason, "held_at": self.at}


def hold_dependency(tx: LedgerTx, name: str, request: HoldRequest, policies: Policies) -> Command:
    """Hold all redrives of a dependency, canaries too, or lift that hold; what is in flight stays in flight.

    Raises NotFound for a dependency that nothing is known of, Conflict for one that is not held and is to be released.
    """
    before = expected_dependency(tx, name, policies)
    _refuse_not_held(before, f"dependency {name}", request)
    after = replace(before, **request.held())
    tx.save_dependency(after)
    return _recorded(tx, replace(_command(request, before, after), dependency=name), None)


def hold_incident(tx: LedgerTx, incident_id: UUID, request: HoldRequest) -> Command:
    """Hold all redrives of one incident, or lift that hold; others of its dependency go on.

    Raises NotFound; Outdated; Conflict for one that is closed, or is not held and is to be released.
    """
    before = expected_incident(tx, incident_id, request)
    if before.closed:
        raise Conflict(f"expected an incident that is open, got one that is {before.state}; nothing is left to hold")
    _refuse_not_held(before, f"incident {incident_id}", request)
    after = replace(before, **request.held()).changed()
    tx.save_incident(after)
    command = replace(_command(request, before, after), incident_id=incident_id, dependency=before.dependency)
    return _recorded(tx, command, after)


def expected_incident(tx: LedgerTx, incident_id: UUID, request: HoldRequest) -> Incident:
    """Give the incident as the request means it; raises NotFound, and Outdated where it changed since."""
    known = tx.incident(incident_id)
    if known is None:
        raise NotFound("incident", str(incident_id))
    refuse_outdated(tx, known, request.revision)
    return known


def expected_dependency(tx: LedgerTx, name: str, policies: Policies) -> Dependency:
    """Give what is known of a dependency that the ledger, the settings or an open incident names; raises NotFound."""
    known = tx.dependency(name)
    if known:
        return known
    if name in policies.named or tx.leaning_on(name, 1):
        return Dependency(name)
    raise NotFound("dependency", name)


def _refuse_not_held(known: Dependency | Incident, what: str, request: HoldRequest) -> None:
    if request.lift and not known.held_by:
        raise Conflict(f"expected {what} to be held, got one that nobody holds; nothing is to be released")


def _command(request: HoldRequest, before: Dependency | Incident, after: Dependency | Incident) -> Command:
    return Command(
        id=request.command_id,
        actor=request.actor,
        reason=request.reason,
        created_at=request.at,
        kind=request.kind,
        before=_standing(before),
        after=_standing(after),
    )


def _standing(known: Dependency | Incident) -> dict[str, Any]:
    at = known.held_at.isoformat() if known.held_at else None
    return {"held_by": known.held_by, "held_reason": known.held_reason, "held_at": at}


def _recorded(tx: LedgerTx, command: Command, incident: Incident | None) -> Command:
    tx.add_command(command)
    tx.emit(command_recorded(command, incident, command.created_at))
    return command
