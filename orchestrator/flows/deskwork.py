"""Deskwork on an incident: who has it, how bad it is, that somebody knows, until when nobody is woken, or its end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.commands import Command, CommandKind
from orchestrator.domain.errors import Conflict, Invalid, NotFound
from orchestrator.domain.failures import FailureState
from orchestrator.domain.incidents import Incident, IncidentState
from orchestrator.flows.announcing import command_recorded
from orchestrator.flows.auditing import refuse_outdated
from orchestrator.flows.discarding import close_discarded, discard_all

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from orchestrator.domain.ledger import LedgerTx

LONGEST_SNOOZE: Final = timedelta(days=30)
# What of an incident this can change, as an answer and the audit show it.
SHOWN: Final = ("state", "owner", "severity", "acknowledged_by", "acknowledged_at", "snoozed_until")


@dataclass(frozen=True, slots=True)
class IncidentUpdate:
    """What a person wants of an incident. `wanted` has only what they said: owner and snooze_until, which None takes
    away, severity, acknowledge, discard. With a `revision` it holds for that one alone.
    """

    command_id: UUID
    actor: str
    reason: str
    at: datetime
    wanted: Mapping[str, Any]
    revision: int | None = None

    @property
    def discards(self) -> bool:
        """Tell whether the incident is given up."""
        return bool(self.wanted.get("discard"))

    @property
    def note(self) -> str:
        """Say who gave it up, and why."""
        return f"discarded by {self.actor}: {self.reason}"

    @property
    def kind(self) -> CommandKind:
        """Tell which command this is: what it does alone has a name of its own."""
        if self.discards:
            return CommandKind.DISCARD
        return CommandKind.ACKNOWLEDGE if set(self.wanted) == {"acknowledge"} else CommandKind.UPDATE


@dataclass(frozen=True, slots=True)
class Updated:
    """An incident before and after; `discards` are the failures that are given up, by their state. Nothing is recorded
    where nothing changed.
    """

    before: Incident
    after: Incident
    discards: Mapping[str, int]

    @property
    def changed(self) -> bool:
        """Tell whether it is another one now."""
        return self.after != self.before

    def told(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give what changed, as it was and as it is."""
        before, after = _shown(self.before), _shown(self.after)
        names = [name for name in SHOWN if before[name] != after[name]]
        told = ({name: before[name] for name in names}, {name: after[name] for name in names})
        if self.discards:
            told[0]["failures"] = dict(self.discards)
            told[1]["failures"] = {str(FailureState.DISCARDED): sum(self.discards.values())}
        return told


def foreseen(tx: LedgerTx, incident_id: UUID, update: IncidentUpdate) -> Updated:
    """Tell what an update would change, and change nothing.

    Raises NotFound; Outdated for another revision; Conflict for one that is closed, or that is to be discarded while
    some of its failures are in flight; Invalid for a snooze that is over or too long.
    """
    before = tx.incident(incident_id)
    if before is None:
        raise NotFound("incident", str(incident_id))
    if before.state is IncidentState.DISCARDED and set(update.wanted) == {"discard"}:
        return Updated(before, before, {})  # it was said before
    refuse_outdated(tx, before, update.revision)
    if before.closed:
        raise Conflict(f"expected an incident that is open, got one that is {before.state}; nothing is left to decide")
    discards = _given_up(tx, before) if update.discards else {}
    after = _applied(tx, before, update)
    return Updated(before, before if after == before else after.changed(), discards)


def update_incident(tx: LedgerTx, incident_id: UUID, update: IncidentUpdate) -> Updated:
    """Change an incident by a person's word, and audit it. Saying the same again changes nothing. Raises as above."""
    found = foreseen(tx, incident_id, update)
    if not found.changed:
        return found
    if update.discards:
        discard_all(tx, incident_id, update.note, update.at)
    tx.save_incident(found.after)
    before, after = found.told()
    command = Command(
        id=update.command_id,
        actor=update.actor,
        reason=update.reason,
        created_at=update.at,
        kind=update.kind,
        incident_id=incident_id,
        dependency=found.before.dependency,
        before=before,
        after=after,
    )
    tx.add_command(command)
    tx.emit(command_recorded(command, found.after, update.at))
    if update.discards:
        close_discarded(tx, found.after, update.note, update.at)
    return found


def _applied(tx: LedgerTx, before: Incident, update: IncidentUpdate) -> Incident:
    wanted = update.wanted
    changes: dict[str, Any] = {name: wanted[name] for name in ("owner", "severity") if name in wanted}
    if wanted.get("acknowledge") and (before.acknowledged_by != update.actor or _is_over(tx, before)):
        changes |= {"acknowledged_by": update.actor, "acknowledged_at": update.at}
    if "snooze_until" in wanted:
        changes["snoozed_until"] = _snooze(wanted["snooze_until"], update.at)
    if update.discards:
        changes |= {"state": IncidentState.DISCARDED, "closed_at": update.at, "note": update.note}
    return replace(before, **changes)


def _is_over(tx: LedgerTx, incident: Incident) -> bool:
    """Tell whether the alert of an incident climbs on although somebody had acknowledged: their time is over."""
    alert = tx.alert_of(incident.id)
    return alert is not None and alert.waits_for_word_on(incident)


def _snooze(until: datetime | None, now: datetime) -> datetime | None:
    if until is not None and not now < until <= now + LONGEST_SNOOZE:
        raise Invalid(
            f"snooze_until: expected a time after {now.isoformat(timespec='seconds')}, "
            f"{LONGEST_SNOOZE.days} days at most, got {until.isoformat(timespec='seconds')}"
        )
    return until


def _given_up(tx: LedgerTx, incident: Incident) -> dict[str, int]:
    """Count what would be discarded, by state; refuses while redrives are out, which nobody can call back."""
    states = tx.states_of(incident.id)
    flying = states.get(FailureState.RELEASED, 0)
    if flying:
        raise Conflict(
            f"expected an incident of which nothing is in flight, got one with {flying} redrives out; hold it "
            f"(redrive hold --incident {incident.id}) or abort the recovery (redrive recoveries list), wait until they "
            "have come back, and discard it then"
        )
    left = (FailureState.HELD, FailureState.DEAD, FailureState.REDELIVERY_PENDING)
    return {str(state): states[state] for state in left if states.get(state)}


def _shown(incident: Incident) -> dict[str, Any]:
    shown = {name: getattr(incident, name) for name in SHOWN}
    texts = {name: str(shown[name]) for name in ("state", "severity")}
    times = {name: each.isoformat() for name, each in shown.items() if isinstance(each, datetime)}
    return shown | texts | times
