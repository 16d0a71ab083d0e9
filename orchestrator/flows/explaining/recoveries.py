"""The story of one recovery, and what recoveries do for the failures of an incident: asked, agreed to, ended."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Final

from orchestrator.domain.auditing import AuditQuery
from orchestrator.domain.recoveries import RecoveryState
from orchestrator.domain.selection import MOVABLE
from orchestrator.domain.story import Now, Step, Story, in_order
from orchestrator.flows.explaining.decided import step_of_command, steps_of_release
from orchestrator.flows.explaining.words import at, counted, cut
from orchestrator.flows.obstacles import obstacles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from uuid import UUID

    from orchestrator.domain.approving import Approval
    from orchestrator.domain.commands import Command
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.recoveries import Recovery
    from orchestrator.domain.release import Release
    from orchestrator.domain.selection import Selection
    from orchestrator.domain.standing import StoredFailure
    from orchestrator.flows.explaining.known import Known

# Incidents of a recovery whose obstacles are told one by one, and releases whose steps are.
MOST_INCIDENTS: Final = 5
MOST_RELEASES: Final = 20
# Entries of the audit about a recovery, and proposals that are looked through for those of an incident: the newest.
MOST_LOOKED_AT: Final = 1_000
STEERED: Final = ("pause", "resume", "abort")


def story_of_recovery(tx: LedgerTx, recovery: Recovery, known: Known) -> Story:
    """Tell the story of a recovery."""
    releases = tx.releases_by(recovery.id)
    steps = [*steps_of_recovery(tx, recovery), *_steered(tx, recovery)]
    steps += [step for each in releases[:MOST_RELEASES] for step in steps_of_release(tx, each)]
    more = len(releases) - MOST_RELEASES
    return Story(
        about="recovery",
        id=str(recovery.id),
        title=f"{recovery.command} by {recovery.actor}: {cut(recovery.reason)}",
        steps=in_order(steps),
        now=_now(tx, recovery, releases, known),
        gone=(f"the steps of {more} more releases are not told here",) if more > 0 else (),
    )


def steps_of_recovery(tx: LedgerTx, recovery: Recovery) -> Iterator[Step]:
    """Tell who asked for a recovery and why, who agreed to it, and how it ended."""
    forced = ", forced" if recovery.forced else ""
    limit = f", {recovery.limit:,} at most" if recovery.limit else ""
    edits = f", with {', '.join(sorted(recovery.edits))} edited" if recovery.edits else ""
    how = f"{recovery.command}{forced}{limit}{edits}"
    text = f"{how} by {recovery.actor}: {cut(recovery.reason)} (recovery {recovery.id})"
    yield Step(recovery.created_at, f"command.{recovery.command}", text, by=recovery.actor)
    approval = tx.approval(recovery.id)
    if approval:
        yield from _approval(approval)
    if recovery.ended_at:
        note = f"; {cut(recovery.note)}" if recovery.note else ""
        text = f"recovery {recovery.state}: {_progress(tx, recovery.id)}{note}"
        yield Step(recovery.ended_at, f"recovery.{recovery.state}", text)


def _approval(approval: Approval) -> Iterator[Step]:
    many = counted(approval.failures, "failure")
    text = f"waits for consent until {at(approval.until)}, then {approval.otherwise}: {many}"
    yield Step(approval.asked_at, "approval.asked", text, by=approval.asked_by)
    if approval.decided_at:
        by = approval.decided_by
        text = f"{approval.state} by {by}: {cut(approval.decided_reason or '-')}"
        yield Step(approval.decided_at, f"approval.{approval.state}", text, by=by)


def _steered(tx: LedgerTx, recovery: Recovery) -> Iterator[Step]:
    asked = AuditQuery(recovery_id=recovery.id, since=recovery.created_at)
    for entry in reversed(tx.audited(asked, MOST_LOOKED_AT)):
        if entry.verb in STEERED:
            text = f"{entry.verb} by {entry.actor}: {cut(entry.reason)}"
            yield Step(entry.at, f"command.{entry.verb}", text, by=entry.actor)


def _progress(tx: LedgerTx, recovery_id: UUID) -> str:
    counts = asdict(tx.progress(recovery_id))
    asked = counts.pop("asked")
    told = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)
    return f"{counted(asked, 'failure')} asked for: {told or 'none claimed'}"


def commanded(
    tx: LedgerTx, incident: Incident, commands: Sequence[Command], releases: Iterable[Release]
) -> Iterator[Step]:
    """Tell of people's commands about an incident; of those that are recoveries, and of recoveries of many incidents
    that have taken failures of this one, who agreed to them and how they ended as well.
    """
    found = {each.id: each for each in (*recoveries_of(tx, releases), *proposed_for(tx, incident))}
    for command in commands:
        if command.id not in found:
            yield step_of_command(command)
    for recovery in found.values():
        yield from steps_of_recovery(tx, recovery)


def recoveries_of(tx: LedgerTx, releases: Iterable[Release]) -> list[Recovery]:
    """List the recoveries that opened these releases."""
    commands = dict.fromkeys(each.command_id for each in releases if each.command_id)
    return [found for found in map(tx.recovery, commands) if found]


def proposed_for(tx: LedgerTx, incident: Incident) -> list[Recovery]:
    """List the recoveries that nobody has agreed to yet and that mean failures of an incident, however they name them:
    it, one of its failures, a query, ids.
    """
    found = tx.recoveries([RecoveryState.PROPOSED], MOST_LOOKED_AT)
    return [each for each in found if _means(tx, each, incident)]


def _means(tx: LedgerTx, recovery: Recovery, incident: Incident) -> bool:
    if recovery.incident_id is not None:
        return recovery.incident_id == incident.id
    return not incident.closed and _movable(tx, replace(recovery.selection, incident_id=incident.id))


def meant(tx: LedgerTx, recovery: Recovery, stored: StoredFailure | None) -> bool:
    """Tell whether a proposed recovery of an incident's is of this failure; with None, of more than one of them."""
    if stored is None or recovery.failure_id is not None:
        return recovery.failure_id == (stored.failure.id if stored else None)
    named = recovery.selection.ids or {stored.failure.id}
    return stored.failure.id in named and _movable(tx, replace(recovery.selection, ids=frozenset({stored.failure.id})))


def _movable(tx: LedgerTx, selection: Selection) -> bool:
    return any(state in MOVABLE for _, state, _ in tx.stands(selection))


def consent(tx: LedgerTx, recovery: Recovery) -> str:
    """Say for whose consent a recovery waits, and until when."""
    approval = tx.approval(recovery.id)
    if approval is None:
        return f"recovery {recovery.id} waits for somebody's consent"
    return f"somebody's consent to recovery {recovery.id}, until {at(approval.until)}; then {approval.otherwise}"


def _now(tx: LedgerTx, recovery: Recovery, releases: list[Release], known: Known) -> Now:
    state, progress = str(recovery.state), _progress(tx, recovery.id)
    if recovery.over:
        return Now(state, f"nothing is left to do; {progress}", command=f"redrive recoveries show {recovery.id}")
    if recovery.state is RecoveryState.PROPOSED:
        command = f"redrive approvals approve {recovery.id} --reason WHY"
        return Now(state, "nothing goes before somebody agrees", (consent(tx, recovery),), command=command)
    if recovery.state is RecoveryState.PAUSED:
        command = f"redrive recoveries resume {recovery.id} --reason WHY"
        return Now(state, f"nothing goes before somebody resumes it; {progress}", _paused(recovery), command=command)
    waits = () if recovery.forced else tuple(dict.fromkeys(_obstacles(tx, releases, known)))
    ahead = [each.gate_at for each in releases if not each.ended and each.gate_at > known.now]
    command = f"redrive recoveries watch {recovery.id}"
    return Now(state, f"it goes by itself; {progress}", waits, min(ahead, default=None), command)


def _paused(recovery: Recovery) -> tuple[str, ...]:
    return (cut(recovery.note),) if recovery.note else ()


def _obstacles(tx: LedgerTx, releases: list[Release], known: Known) -> Iterator[str]:
    for release in [each for each in releases if not each.ended][:MOST_INCIDENTS]:
        incident = tx.incident(release.incident_id)
        if incident:
            yield from obstacles(tx, incident, known.policies, known.now)
