"""Steering a recovery that is under way: a person lets it rest, go on, or ends it. What is out stays out and counts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.commands import Command, CommandKind
from orchestrator.domain.errors import NotFound
from orchestrator.domain.recoveries import Recovery, RecoveryState, RecoveryStep, stepped
from orchestrator.domain.release import Halt, Release, ReleaseState
from orchestrator.failpoints import hit
from orchestrator.flows.announcing import command_recorded, release_ended
from orchestrator.flows.approving import withdraw
from orchestrator.flows.outcomes import close_if_recovered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.ledger import LedgerTx

# Which state a verb leads to; in that state it changes nothing.
LEADS_TO: Final = {
    CommandKind.PAUSE: (RecoveryStep.PAUSE, RecoveryState.PAUSED),
    CommandKind.RESUME: (RecoveryStep.RESUME, RecoveryState.RUNNING),
    CommandKind.ABORT: (RecoveryStep.ABORT, RecoveryState.ABORTED),
}


@dataclass(frozen=True, slots=True)
class Steering:
    """What a person wants of a recovery: pause, resume or abort, and why; `command_id` is of this request."""

    command_id: UUID
    kind: CommandKind
    actor: str
    reason: str
    at: datetime


def steer(tx: LedgerTx, recovery_id: UUID, asked: Steering) -> Recovery:
    """Pause, resume or abort a recovery; one that is so already stays as it is, and nothing is recorded.

    It takes effect with the next step of its releases. Raises NotFound; Conflict for what its state does not allow.
    """
    before = tx.recovery(recovery_id)
    if before is None:
        raise NotFound("recovery", str(recovery_id))
    step, state = LEADS_TO[asked.kind]
    if before.state is state:
        return before
    after = replace(stepped(before, step, asked.at), note=_note(asked))
    told = {"state": str(after.state), "recovery_id": str(recovery_id)}
    told_before = {"state": str(before.state), "progress": asdict(tx.progress(recovery_id))}
    tx.save_recovery(after)
    _halt(tx, after, asked)
    if before.state is RecoveryState.PROPOSED:
        withdraw(tx, recovery_id, asked.actor, asked.reason, asked.at)
    hit("recovery_halted")
    _recorded(tx, after, asked, told_before, told | {"progress": asdict(tx.progress(recovery_id))})
    return after


def _note(asked: Steering) -> str | None:
    words = {CommandKind.PAUSE: "paused", CommandKind.ABORT: "aborted"}
    return f"{words[asked.kind]} by {asked.actor}: {asked.reason}" if asked.kind in words else None


def _halt(tx: LedgerTx, recovery: Recovery, asked: Steering) -> None:
    aborted = recovery.state is RecoveryState.ABORTED
    if aborted:
        tx.give_back(recovery.id, asked.at)
    halt = {RecoveryState.PAUSED: Halt.PAUSED, RecoveryState.ABORTED: Halt.ABORTED}.get(recovery.state)
    out = tx.flying_by(recovery.id)
    running = [each for each in tx.releases_by(recovery.id) if not each.ended]
    halted = [replace(each, halted=halt, note=recovery.note) for each in running]
    # Whoever asks on what an incident said before is told that its recovery was steered meanwhile.
    for incident in tx.incidents_by([each.incident_id for each in running]):
        tx.save_incident(incident.changed())
    for each in halted:
        tx.save_release(each)
    if aborted:
        _end(tx, recovery, [each for each in halted if each.id not in out], asked.at)


def _end(tx: LedgerTx, recovery: Recovery, idle: Sequence[Release], now: datetime) -> None:
    """End the releases of which nothing is out; what was given back belongs to its incident's own plan again."""
    tx.settle_releases([each.id for each in idle])
    counts = tx.counts_by(recovery.id)
    ended = [replace(each, state=ReleaseState.ABORTED, ended_at=now) for each in idle]
    for each in ended:
        tx.save_release(each)
    for each in ended:
        tx.emit(release_ended(each, counts[each.id], tx.incident(each.incident_id), now))
        close_if_recovered(tx, each.incident_id, now)


def _recorded(
    tx: LedgerTx, recovery: Recovery, asked: Steering, before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    incident = tx.incident(recovery.incident_id) if recovery.incident_id else None
    command = Command(
        id=asked.command_id,
        actor=asked.actor,
        reason=asked.reason,
        created_at=asked.at,
        kind=asked.kind,
        incident_id=recovery.incident_id,
        dependency=incident.dependency if incident else None,
        before=before,
        after=after,
    )
    tx.add_command(command)
    tx.emit(command_recorded(command, incident, asked.at))
