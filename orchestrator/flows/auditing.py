"""What the audit is told where no person commanded, and what it tells of an incident."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.auditing import REDRIVE, Deed, Origin
from orchestrator.domain.errors import Outdated
from orchestrator.domain.ids import derive

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.conservation import Reconciliation
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.recoveries import Recovery
    from orchestrator.domain.release import Release

# Changes that one refusal tells.
MOST_CHANGES: Final = 20
CHANGE: Final = ("at", "actor", "verb", "reason", "before", "after", "revision")
PLAN: Final = "plan"
EXHAUST: Final = "exhaust"
EXPIRE: Final = "expire"
RECONCILE: Final = "reconcile"


def plan_accepted(tx: LedgerTx, before: Incident, planned: Incident, actor: str, now: datetime) -> Deed:
    """Tell that a plan is an incident's own: a rule's workflow decided, or the built-in plan stands in."""
    plan = planned.plan
    if plan is None:
        raise ValueError(f"expected an incident with a plan, got {planned.id} without one")
    origin = Origin.BUILT_IN if plan.built_in else Origin.RULE
    return Deed(
        id=derive("audit", planned.id, planned.revision, "built in" if plan.built_in else "plan"),
        at=now,
        actor=REDRIVE if plan.built_in else actor,
        origin=origin,
        verb=PLAN,
        reason=plan.reason,
        incident_id=planned.id,
        dependency=planned.dependency,
        execution_id=plan.execution_id,
        rule=tx.rule_of(planned.id, plan.execution_id) if plan.execution_id else None,
        before=_standing(before),
        after=_standing(planned),
    )


def given_to_people(before: Incident, waiting: Incident, release: Release, buried: int, now: datetime) -> Deed:
    """Tell that a release has used up its tries, and that what it had still to move waits for a person."""
    return Deed(
        id=derive("audit", release.id, EXHAUST),
        at=now,
        actor=REDRIVE,
        origin=Origin.REDRIVE,
        verb=EXHAUST,
        reason=waiting.note or "attempts exhausted",
        incident_id=waiting.id,
        dependency=waiting.dependency,
        execution_id=release.plan.execution_id,
        before={"state": str(before.state)},
        after={"state": str(waiting.state), "release_id": str(release.id), "dead": buried},
    )


def taken_along(recovery: Recovery, incident_id: UUID, count: int, now: datetime) -> Deed:
    """Tell of one incident that a recovery of several takes failures of: who asks what changed it finds that there."""
    return Deed(
        id=derive("audit", recovery.id, incident_id),
        at=now,
        actor=recovery.actor,
        origin=Origin.PERSON,
        verb=str(recovery.command),
        reason=recovery.reason,
        incident_id=incident_id,
        recovery_id=recovery.id,
        forced=recovery.forced,
        after={"failures": count, "part_of": str(recovery.id)},
    )


def reconciliation_asked(asked: Reconciliation, reason: str) -> Deed:
    """Tell that a person wants what was delivered held against what a sink has; the events missing there go again."""
    return Deed(
        id=asked.id,
        at=asked.asked_at,
        actor=asked.actor,
        origin=Origin.PERSON,
        verb=RECONCILE,
        reason=reason,
        sink=asked.sink,
        after={"since": asked.since.isoformat(), "until": asked.until.isoformat()},
    )


def let_go(before: Incident, expired: Incident, now: datetime) -> Deed:
    """Tell that retention closes an incident of which only dead failures are left that nobody replays."""
    return Deed(
        id=derive("audit", expired.id, EXPIRE),
        at=now,
        actor=REDRIVE,
        origin=Origin.REDRIVE,
        verb=EXPIRE,
        reason=expired.note or "kept for as long as the settings say",
        incident_id=expired.id,
        dependency=expired.dependency,
        before={"state": str(before.state)},
        after={"state": str(expired.state)},
    )


def _standing(incident: Incident) -> dict[str, Any]:
    plan = asdict(incident.plan) if incident.plan else None
    return {"state": str(incident.state), "plan": plan}


def changes_since(tx: LedgerTx, incident_id: UUID, revision: int) -> list[dict[str, Any]]:
    """Tell what changed an incident after a revision, newest first, MOST_CHANGES at most, as a refusal shows it."""
    found = tx.changes_of(incident_id, revision, MOST_CHANGES)
    return [{name: each.told.get(name) for name in CHANGE} for each in found]


def refuse_outdated(tx: LedgerTx, incident: Incident, revision: int | None) -> None:
    """Raise Outdated for what was decided on another revision of an incident than the present one; None is none."""
    if revision is None or revision == incident.revision:
        return
    changes = changes_since(tx, incident.id, revision)
    by = f"; {changes[0]['actor']} changed it last: {changes[0]['verb']}, {changes[0]['reason']}" if changes else ""
    raise Outdated(
        f"expected revision {incident.revision} of incident {incident.id}, got {revision}{by}",
        incident.revision,
        changes,
    )
