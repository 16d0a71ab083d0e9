"""How the ledger's values look in an answer."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.canvas import canvas_of, chord_note
from orchestrator.domain.edits import shown
from orchestrator.domain.eligibility import refusal_of
from orchestrator.domain.failures import FailureState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.attempts import Attempt
    from orchestrator.domain.dispatches import Dispatch
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.plan import Plan
    from orchestrator.domain.release import Release
    from orchestrator.domain.standing import StoredFailure

# Failures of an incident that are looked at for chords: they look alike, and mostly come from one place in the code.
LOOKED_AT = 20

MOST_COMMANDS: Final = 100


def incident_view(incident: Incident) -> dict[str, Any]:
    """Show an incident in a list."""
    fields = asdict(incident)
    fields["plan"] = asdict(incident.plan) if incident.plan else None
    return fields


def incident_whole(tx: LedgerTx, incident: Incident) -> dict[str, Any]:
    """Show an incident with its triggers (rules, executions) and its releases with their counts.

    `canvas` says so where Celery has failed chords with some of its first LOOKED_AT failures, and is None otherwise.
    """
    releases = tx.releases_of(incident.id)
    return incident_view(incident) | {
        "dispatches": [dispatch_view(each) for each in tx.dispatches_of(incident.id)],
        "releases": [release_view(tx, each) for each in releases],
        "open_failures": tx.open_failures(incident.id),
        "dead_failures": tx.dead_failures(incident.id),
        "ramp": _ramp_view(tx, releases),
        "waiting_tasks": dict(tx.tasks_waiting(incident.id)),
        "commands": [asdict(each) for each in tx.commands_of(incident.id)[-MOST_COMMANDS:]],
        "canvas": chord_note(canvas_of(each.failure) for each in tx.failures_of(incident.id, LOOKED_AT)),
    }


def _ramp_view(tx: LedgerTx, releases: Sequence[Release]) -> dict[str, Any] | None:
    """Show the ramp of the newest release that runs: phase, window, tries, gate, and what it waits for."""
    running = [each for each in releases if not each.ended]
    ramp = tx.ramp(running[-1].ramp) if running else None
    return asdict(ramp) if ramp else None


def dispatch_view(dispatch: Dispatch) -> dict[str, Any]:
    """Show a trigger and what came of it; its payload stays out, being long."""
    fields = asdict(dispatch)
    del fields["payload"]
    return fields


def release_view(tx: LedgerTx, release: Release) -> dict[str, Any]:
    """Show a release with its counts; `outcome` is None while it runs."""
    counts = asdict(tx.release_counts(release.id))
    fields = asdict(release) | {"plan": plan_view(release.plan)}
    return fields | counts | {"outcome": str(release.state) if release.ended else None}


def plan_view(plan: Plan) -> dict[str, Any]:
    """Show a plan; of its edits the names, for the values may be secrets."""
    return asdict(plan) | {"edits": shown(plan.edits, ())}


def decision_view(tx: LedgerTx, incident_id: UUID) -> dict[str, Any]:
    """Show what was decided for the failures of an incident, the execution that did, and what the rules were asked."""
    incident = tx.incident(incident_id)
    plan = incident.plan if incident else None
    return {
        "plan": asdict(plan) if plan else None,
        "execution_id": plan.execution_id if plan else None,
        "triggers": [
            {
                "trigger": each.trigger,
                "state": each.state,
                "trigger_instance_id": each.trigger_instance_id,
                "rules": each.rules,
                "execution_ids": each.execution_ids,
            }
            for each in tx.dispatches_of(incident_id)
        ],
    }


def failure_view(
    stored: StoredFailure, attempts: list[Attempt], now: datetime, *, keys_known: bool = False
) -> dict[str, Any]:
    """Show a failure with its evidence and its attempts; the message's body and headers stay out.

    `captured` is the way in which the run ended, `evidence` all that was reported of it, `reason` why it is dead,
    `not_redrivable` why its message cannot be published again, None where it can; `canvas` is what the task is part of;
    `arguments` are those that it may be searched by, `editable` those that a person may change, with what they must be.
    """
    failure = stored.failure
    return {
        "id": failure.id,
        "task_id": failure.task_id,
        "task": failure.task,
        "state": stored.state,
        "kind": stored.kind,
        "why": stored.why,
        "captured": failure.captured,
        "evidence": evidence_view(stored),
        "reason": stored.reason,
        "pending": pending_view(stored, now),
        "idempotent": stored.idempotent,
        "incident_id": stored.incident_id,
        "occurred_at": failure.occurred_at,
        "started_at": failure.started_at,
        "closed_at": stored.closed_at,
        "exception": asdict(failure.exception),
        "dependency": failure.declaration.dependency,
        "never": failure.declaration.never,
        "organization": failure.organization,
        "arguments": dict(failure.arguments),
        "editable": dict(failure.declaration.edit),
        "message": message_view(stored),
        "canvas": asdict(canvas_of(failure)),
        "not_redrivable": refusal_of(failure.message, keys_known=keys_known),
        "attempts": [asdict(each) for each in attempts],
    }


def evidence_view(stored: StoredFailure) -> dict[str, Any]:
    """Show what was reported of a failure, how often, and how often it was opened."""
    return {
        "ways": stored.ways,
        "reports": stored.reports,
        "last_seen_at": stored.last_seen_at,
        "openings": stored.openings,
    }


def pending_view(stored: StoredFailure, now: datetime) -> dict[str, Any] | None:
    """Show for how long the broker has held the message of a failure that waits for its redelivery; ages in seconds."""
    if stored.state is not FailureState.REDELIVERY_PENDING or stored.pending_since is None:
        return None
    return {"since": stored.pending_since, "age_seconds": (now - stored.pending_since).total_seconds()}


def message_view(stored: StoredFailure) -> dict[str, Any]:
    """Show where a message went and what is here of it."""
    message = stored.failure.message
    return {
        "exchange": message.exchange,
        "routing_key": message.routing_key,
        "bytes": message.claim["bytes"] if message.claim else len(message.body),
        "claimed": message.claim is not None,
        "redacted": list(message.redacted),
        "resolvable": message.resolvable,
        "sealed": message.sealed is not None,
        "missing": message.missing,
        "purged_at": stored.purged_at,
    }
