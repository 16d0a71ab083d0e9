"""A person's command to redrive: it is recorded, and its recovery claims what it means and opens its releases."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchestrator.domain.commands import Command
from orchestrator.domain.dependencies import Policies
from orchestrator.domain.errors import Conflict, InvalidPlan, NotFound
from orchestrator.domain.failures import FailureState
from orchestrator.domain.ids import derive
from orchestrator.domain.plan import check
from orchestrator.domain.recoveries import Order, Recovery, RecoveryState, RecoveryStep, stepped
from orchestrator.domain.release import Release, ReleaseState
from orchestrator.domain.searching import Judging
from orchestrator.domain.selection import Selection
from orchestrator.failpoints import hit
from orchestrator.flows.announcing import command_recorded
from orchestrator.flows.auditing import refuse_outdated, taken_along
from orchestrator.flows.bulk.edits import edited_before, edits_told, judged_by_edits
from orchestrator.flows.bulk.single import asked_for, refuse
from orchestrator.flows.gates import check_times, first_gate
from orchestrator.flows.obstacles import obstacles
from orchestrator.flows.predicting import Predictor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.flows.bulk.asking import RetryRequest

# Incidents that a command names in full; of more than these it tells the number.
MOST_NAMED = 100
# Incidents of one recovery: to begin or end one takes about 2 s for so many, in which nothing else is written.
MOST_INCIDENTS = 2_000


def command_retry(  # noqa: PLR0913 - what the orchestrator knows beside what is asked, by keyword
    tx: LedgerTx,
    request: RetryRequest,
    command_id: UUID,
    now: datetime,
    *,
    keys_known: bool = False,
    policies: Policies | None = None,
) -> Command:
    """Record a person's command and start its recovery: no execution is needed, so it works with StackStorm down.

    Raises NotFound; Conflict where nothing can go, or on an incident's older revision; NotRedrivable for one failure
    whose message cannot go out again; InvalidPlan for a route, a schedule or a selection that is none.
    """
    judging = Judging(now, keys_known)
    recovery = proposed(tx, request, command_id, judging)
    before = _before(tx, recovery)
    tx.add_recovery(recovery)
    taken = start(tx, recovery, judging, policies)
    return _recorded(tx, recovery, taken, before, policies or Policies())


def proposed(tx: LedgerTx, request: RetryRequest, command_id: UUID, judging: Judging) -> Recovery:
    """Make the recovery that a person asks for, not begun; nothing is recorded. Raises as `command_retry`."""
    plan = request.plan(once=False)
    check(plan)
    check_times(plan, judging.now)
    bare = Recovery(
        id=command_id,
        state=RecoveryState.PROPOSED,
        actor=request.actor,
        reason=request.reason,
        command=request.kind,
        created_at=judging.now,
        selection=Selection(),
        plan=plan,
        forced=request.force,
        order=request.order,
        limit=request.limit,
        edits=dict(request.edits),
    )
    if request.single:
        return _of_one(tx, request, bare, judging)
    if request.incident_id is not None:
        incident = tx.incident(request.incident_id)
        if incident is None:
            raise NotFound("incident", str(request.incident_id))
        refuse_outdated(tx, incident, request.revision)
    return replace(bare, selection=request.meant(), incident_id=request.incident_id)


def _of_one(tx: LedgerTx, request: RetryRequest, bare: Recovery, judging: Judging) -> Recovery:
    stored = asked_for(tx, request)
    refuse(tx, stored, judging)
    return replace(
        bare,
        selection=Selection(ids=frozenset({stored.failure.id})),
        plan=request.plan(once=not stored.idempotent),
        failure_id=stored.failure.id,
        incident_id=stored.incident_id,
    )


def start(tx: LedgerTx, recovery: Recovery, judging: Judging, policies: Policies | None = None) -> Mapping[UUID, int]:
    """Claim what a recovery means, and open a release for each incident; gives the number of failures of each.

    What is predicted for them now is kept beside it, to be held against what comes of it.

    Raises Conflict where nothing can go, InvalidPlan for edits that no task allows.
    """
    if recovery.edits:
        judging = judged_by_edits(tx, recovery.selection, recovery.edits, judging)
    taken = going(tx, recovery, judging)
    if not taken:
        raise Conflict(
            "expected failures that are held or dead and not asked for yet, got none; the dry run says why each "
            "cannot go"
        )
    refuse_too_many(taken)
    running = stepped(recovery, RecoveryStep.START, judging.now)
    incidents = tx.incidents_by(taken)
    known = [(each, taken[each.id]) for each in incidents]
    predicted = Predictor(tx, policies or Policies(), judging.now).predict(known[:MOST_NAMED], forced=recovery.forced)
    tx.save_recovery(replace(running, prediction=predicted.view()))
    tx.add_releases([_release(running, each, judging.now) for each in taken])
    # Whoever has read one before, and asks on what it said then, is told that somebody was first.
    for incident in incidents:
        tx.save_incident(incident.changed())
    if len(taken) > 1:
        tx.audit_all([taken_along(recovery, each, count, judging.now) for each, count in taken.items()])
    tx.claim_selected(recovery, judging)
    hit("recovery_claimed")
    return taken


def going(tx: LedgerTx, recovery: Recovery, judging: Judging) -> Mapping[UUID, int]:
    """Count the failures that would go, by their incident."""
    found = [each for each in tx.survey(recovery.selection, judging) if each.why is None]
    if recovery.limit is not None and recovery.limit < sum(each.count for each in found):
        newest = recovery.order is Order.NEWEST
        found = tx.survey_first(recovery.selection, judging, recovery.limit, newest=newest)
    counts: Counter[UUID] = Counter()
    for each in found:
        counts[each.incident_id] += each.count
    return counts


def refuse_too_many(taken: Mapping[UUID, int]) -> None:
    """Raise InvalidPlan where more incidents are meant than one recovery takes: nothing else writes meanwhile."""
    if len(taken) > MOST_INCIDENTS:
        raise InvalidPlan(
            f"expected failures of at most {MOST_INCIDENTS:,} incidents, got {len(taken):,}; narrow it by task, "
            "dependency, signature or since and until, or give a limit"
        )


def release_id_of(recovery: Recovery, incident_id: UUID) -> UUID:
    """Give the id of the release of an incident that a recovery has."""
    if recovery.incident_id is not None:
        return derive("release", recovery.id)
    return derive("release", recovery.id, incident_id)


def _release(recovery: Recovery, incident_id: UUID, now: datetime) -> Release:
    gate = recovery.plan.gate
    waits = gate.schedule is not None or gate.at is not None
    return Release(
        id=release_id_of(recovery, incident_id),
        incident_id=incident_id,
        plan=recovery.plan,
        state=ReleaseState.HOLDING,
        gate_at=first_gate(recovery.plan, now) if waits else now,
        command_id=recovery.id,
        started_at=now,
        forced=recovery.forced,
        newest=recovery.order is Order.NEWEST,
    )


def _before(tx: LedgerTx, recovery: Recovery) -> dict[str, Any]:
    if recovery.failure_id:
        stored = tx.failure(recovery.failure_id)
        return {"state": str(stored.state)} | edited_before(tx, recovery) if stored else {}
    if recovery.incident_id is None:
        return {}
    return {"failures": {str(state): count for state, count in tx.states_of(recovery.incident_id).items()}}


def _recorded(
    tx: LedgerTx, recovery: Recovery, taken: Mapping[UUID, int], before: dict[str, Any], policies: Policies
) -> Command:
    only = next(iter(taken)) if len(taken) == 1 else None
    incident = tx.incident(only) if only else None
    failures = sum(taken.values())
    several = {} if only else {"incidents": {str(each): count for each, count in list(taken.items())[:MOST_NAMED]}}
    command = Command(
        id=recovery.id,
        actor=recovery.actor,
        reason=recovery.reason,
        created_at=recovery.created_at,
        kind=recovery.command,
        failure_id=recovery.failure_id,
        incident_id=only,
        dependency=incident.dependency if incident else None,
        release_id=release_id_of(recovery, only) if only else None,
        forced=recovery.forced,
        before=before | {"waits_for": list(waits_for(tx, taken, policies, recovery.created_at))},
        after=({"state": str(FailureState.HELD)} if recovery.failure_id else {"failures": failures} | several)
        | edits_told(tx, recovery),
    )
    tx.add_command(command)
    tx.emit(command_recorded(command, incident, recovery.created_at))
    return command


def waits_for(tx: LedgerTx, incident_ids: Mapping[UUID, int], policies: Policies, now: datetime) -> tuple[str, ...]:
    """Say what speaks against going now: a command waits for it, and one that is forced overrides it. Each once."""
    found: dict[str, None] = {}
    for incident in tx.incidents_by(incident_ids):
        found |= dict.fromkeys(obstacles(tx, incident, policies, now))
    return tuple(found)
