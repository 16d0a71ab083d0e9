"""How recoveries look in an answer: what one would do, and how one goes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from orchestrator.api.views import plan_view, release_view
from orchestrator.domain.edits import shown
from orchestrator.domain.estimates import seconds_left
from orchestrator.domain.recoveries import RecoveryState
from orchestrator.ledger.recovery_codec import selection_to_json

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.commands import Command
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.recoveries import Recovery
    from orchestrator.domain.release import Release
    from orchestrator.flows.bulk.asking import RetryRequest
    from orchestrator.flows.bulk.previewing import Preview, Reason, Refused

MOST_REFUSED: Final = 20
MOST_SHOWN: Final = 100


def preview_view(found: Preview, asked: RetryRequest, tx: LedgerTx, note: str | None) -> dict[str, Any]:
    """Show what a command would do: how many would go, who would not and why, what it would wait for, what may run
    twice; with a route, the first failure's candidates and why each was refused.
    """
    incident = found.incident
    return {
        "dry_run": True,
        "command": asked.kind,
        "incident_id": incident.id if incident else None,
        "revision": incident.revision if incident else None,
        "task": incident.task if incident else None,
        "eligible": found.eligible,
        "not_eligible": found.not_eligible,
        "reasons": [_reason(each) for each in found.reasons],
        "refused": [_refused(each) for each in found.refused[:MOST_REFUSED]],
        "incidents": [_incident(each, count) for each, count in found.incidents],
        "dependency": _dependency(tx, incident),
        "overrides" if asked.force else "waits_for": found.waits_for,
        "duplicates": found.duplicates,
        "decision": asdict(found.decision) if found.decision else None,
        "prediction": found.prediction.view() if found.prediction else None,
        "load": [asdict(each) for each in found.loads if each.per_second is not None],
        "seconds": found.seconds,
        "seconds_says": found.seconds_says,
        "note": note,
    }


def _reason(reason: Reason) -> dict[str, Any]:
    return {"why": reason.why, "count": reason.count, "samples": [_refused(each) for each in reason.samples]}


def _refused(refused: Refused) -> dict[str, Any]:
    failure = refused.stored.failure
    return {"failure_id": failure.id, "task_id": failure.task_id, "task": failure.task, "why": refused.why}


def _incident(incident: Incident, eligible: int) -> dict[str, Any]:
    named = {name: getattr(incident, name) for name in ("id", "task", "signature", "dependency", "state", "revision")}
    return named | {"eligible": eligible}


def _dependency(tx: LedgerTx, incident: Incident | None) -> dict[str, Any] | None:
    known = tx.dependency(incident.dependency) if incident and incident.dependency else None
    return {"name": known.name, "health": known.health, "why": known.why} if known else None


def recovery_view(tx: LedgerTx, recovery: Recovery) -> dict[str, Any]:
    """Show a recovery in a list: what was asked for, and its progress in tasks."""
    fields = asdict(recovery)
    command = tx.command(recovery.id) if recovery.edits else None
    told = command.after.get("edits") if command else None
    fields |= {"edits": told or shown(recovery.edits, ()), "plan": plan_view(recovery.plan)}
    fields |= {"selection": selection_to_json(recovery.selection)}
    return fields | {"progress": asdict(tx.progress(recovery.id)), "location": location(recovery.id)}


def recovery_whole(tx: LedgerTx, recovery: Recovery, now: datetime) -> dict[str, Any]:
    """Show a recovery with its command, its releases and their counts, and for one failure its attempts."""
    releases = tx.releases_by(recovery.id)
    command = tx.command(recovery.id)
    counts = _counts(tx, recovery.id)
    whole = recovery_view(tx, recovery) | _of_the_command(tx, recovery.failure_id, command, releases)
    return whole | {
        "counts": counts,
        "first_attempts": counts["first_attempts"],
        "first_successes": counts["first_successes"],
        "incidents": [each.incident_id for each in releases[:MOST_SHOWN]],
        "releases": [release_view(tx, each) for each in releases[:MOST_SHOWN]],
        "waits_for": _why_waiting(tx, recovery, releases),
        "seconds_left": _seconds_left(recovery, whole["progress"], now),
    }


def _seconds_left(recovery: Recovery, progress: dict[str, int], now: datetime) -> float | None:
    if recovery.state is not RecoveryState.RUNNING:
        return None
    left = progress["waiting"] + progress["in_flight"]
    return seconds_left(progress["asked"] - left, left, (now - recovery.created_at).total_seconds())


def _counts(tx: LedgerTx, recovery_id: UUID) -> dict[str, int]:
    names = ("first_attempts", "first_successes", "attempts", "successes")
    counted = [asdict(each) for each in tx.counts_by(recovery_id).values()]
    return {name: sum(each[name] for each in counted) for name in names}


def _of_the_command(
    tx: LedgerTx, failure_id: UUID | None, command: Command | None, releases: list[Release]
) -> dict[str, Any]:
    """Give what was told of a command before there were recoveries of many: one release, its outcome, executions."""
    tried = tx.attempts_of(failure_id) if failure_id else []
    mine = {each.id for each in releases}
    sent = tx.dispatches_of(command.incident_id) if command and command.incident_id else []
    ended = releases[0].state if len(releases) == 1 and releases[0].ended else None
    about = ("kind", "dependency", "release_id", "before", "after")
    return {name: getattr(command, name) for name in about if command} | {
        "attempts": [asdict(each) for each in tried if each.release_id in mine],
        "outcome": str(ended) if ended else None,
        "executions": [each for one in sent for each in one.execution_ids],
    }


def _why_waiting(tx: LedgerTx, recovery: Recovery, releases: list[Release]) -> list[str]:
    """Say what its releases wait for, each once, as their ramps and notes have it."""
    if recovery.over:
        return []
    said: dict[str, None] = dict.fromkeys([recovery.note] if recovery.note else [])
    approval = tx.approval(recovery.id) if recovery.state is RecoveryState.PROPOSED else None
    if approval:
        said[f"somebody's consent until {approval.until.isoformat()}, then {approval.otherwise}"] = None
    for each in releases[:MOST_SHOWN]:
        ramp = None if each.ended else tx.ramp(each.ramp)
        for why in (None if each.ended else each.note, ramp.why if ramp else None):
            if why:
                said[why] = None
    return list(said)


def location(recovery_id: UUID) -> str:
    """Give where a recovery is to be looked at."""
    return f"/api/v1/recovery/retries/{recovery_id}"
