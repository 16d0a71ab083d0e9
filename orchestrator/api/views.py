"""How the ledger's values look in an answer."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.domain.attempts import Attempt
    from orchestrator.domain.commands import RetryCommand
    from orchestrator.domain.dispatches import Dispatch
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx, StoredFailure
    from orchestrator.domain.release import Release


def incident_view(incident: Incident) -> dict[str, Any]:
    """Show an incident in a list."""
    fields = asdict(incident)
    fields["plan"] = asdict(incident.plan) if incident.plan else None
    return fields


def incident_whole(tx: LedgerTx, incident: Incident) -> dict[str, Any]:
    """Show an incident with its triggers (rules, executions) and its releases with their counts."""
    return incident_view(incident) | {
        "dispatches": [dispatch_view(each) for each in tx.dispatches_of(incident.id)],
        "releases": [release_view(tx, each) for each in tx.releases_of(incident.id)],
        "open_failures": tx.open_failures(incident.id),
    }


def dispatch_view(dispatch: Dispatch) -> dict[str, Any]:
    """Show a trigger and what came of it; its payload stays out, being long."""
    fields = asdict(dispatch)
    del fields["payload"]
    return fields


def release_view(tx: LedgerTx, release: Release) -> dict[str, Any]:
    """Show a release with its counts; `outcome` is None while it runs."""
    counts = asdict(tx.release_counts(release.id))
    return asdict(release) | counts | {"outcome": str(release.state) if release.ended else None}


def failure_view(stored: StoredFailure, attempts: list[Attempt]) -> dict[str, Any]:
    """Show a failure with its attempts; the message's body stays out."""
    failure = stored.failure
    message = failure.message
    return {
        "id": failure.id,
        "task_id": failure.task_id,
        "task": failure.task,
        "state": stored.state,
        "kind": stored.kind,
        "idempotent": stored.idempotent,
        "incident_id": stored.incident_id,
        "occurred_at": failure.occurred_at,
        "exception": asdict(failure.exception),
        "message": {"exchange": message.exchange, "routing_key": message.routing_key, "bytes": len(message.body)},
        "attempts": [asdict(each) for each in attempts],
    }


def retry_view(tx: LedgerTx, command: RetryCommand) -> dict[str, Any]:
    """Show a person's command: its plan, attempts, outcome and the executions of its incident."""
    release = tx.release(command.release_id)
    attempts = [each for each in tx.attempts_of(command.failure_id) if each.release_id == command.release_id]
    executions = [each for sent in tx.dispatches_of(command.incident_id) for each in sent.execution_ids]
    return asdict(command) | {
        "plan": asdict(release.plan) if release else None,
        "state": release.state if release else None,
        "attempts": [asdict(each) for each in attempts],
        "outcome": str(release.state) if release and release.ended else None,
        "executions": executions,
    }
