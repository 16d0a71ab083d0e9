"""Recovery: an instruction becomes the incident's plan; a person's command becomes a release of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.domain.auditing import REDRIVE
from orchestrator.domain.commands import Command, CommandKind
from orchestrator.domain.dependencies import Policies
from orchestrator.domain.eligibility import refuse_expired, refuse_not_redrivable
from orchestrator.domain.errors import Conflict, NotFound
from orchestrator.domain.failures import FailureState
from orchestrator.domain.ids import derive
from orchestrator.domain.incidents import CLOSED, SOME_WAIT, Incident, IncidentStep, after
from orchestrator.domain.plan import Gate, Plan, PlanName, check
from orchestrator.domain.release import ENDED, Release, ReleaseState
from orchestrator.domain.standing import moved
from orchestrator.flows.announcing import command_recorded, incident_planned
from orchestrator.flows.auditing import plan_accepted
from orchestrator.flows.gates import check_times, first_gate
from orchestrator.flows.obstacles import obstacles

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.plan import Route
    from orchestrator.domain.standing import StoredFailure

# A person who asks for a retry wants it now; the gate only spaces further tries.
BY_HAND = Gate(first_after=1, factor=2, max_distance=300, max_tries=10)
# A task that may not run twice runs once for each command.
ONCE = replace(BY_HAND, max_tries=1)


def accept_plan(  # noqa: PLR0913 - what is decided, on what, when, and who brought it, by keyword
    tx: LedgerTx, incident_id: UUID, plan: Plan, revision: int, now: datetime, *, actor: str = REDRIVE
) -> Incident:
    """Make a plan the incident's own; `actor` brought it here.

    Raises NotFound; InvalidPlan for one that cannot be carried out; Conflict for one that was decided on an older
    revision. The same execution giving its plan again changes nothing.
    """
    incident = tx.incident(incident_id)
    if incident is None:
        raise NotFound("incident", str(incident_id))
    if _repeated(incident, plan):
        return incident
    _refuse_stale(incident, revision)
    check(plan)
    check_times(plan, now)
    planned = _planned(incident, plan, some_wait=bool(tx.not_idempotent(incident_id)))
    tx.save_incident(planned)
    tx.audit(plan_accepted(tx, incident, planned, actor, now))
    tx.emit(incident_planned(planned, now))
    return planned


def _repeated(incident: Incident, plan: Plan) -> bool:
    return plan.execution_id is not None and incident.plan == plan


def _refuse_stale(incident: Incident, revision: int) -> None:
    if incident.state in CLOSED:
        raise Conflict(
            f"expected an incident that is open, got one that is {incident.state}; nothing is left to decide"
        )
    if not incident.asked_on <= revision <= incident.revision:
        since = "" if incident.asked_on == incident.revision else f" (or since {incident.asked_on})"
        raise Conflict(
            f"expected a plan decided on revision {incident.revision}{since}, got one decided on {revision}; "
            "read the incident again"
        )


def _planned(incident: Incident, plan: Plan, *, some_wait: bool) -> Incident:
    step, note = _next(incident, plan)
    if step is IncidentStep.PLAN and some_wait:
        note = SOME_WAIT
    if plan.built_in:
        note = plan.reason
    state = after(incident.state, step)
    # The built-in plan decides nothing: whatever the rules were asked on this revision may still be answered.
    answered = incident if plan.built_in else incident.asked_anew()
    return replace(answered, plan=plan, state=state, note=note)


def _next(incident: Incident, plan: Plan) -> tuple[IncidentStep, str | None]:
    if not plan.redrives:
        return IncidentStep.WAIT, f"plan {plan.name}: {plan.reason}; waits for a person"
    if not incident.idempotent:
        return IncidentStep.WAIT, (
            f"task {incident.task} is not declared idempotent, so it is not run again by itself; release it by hand "
            f"(POST /recovery/retry), or declare it: @app.task(redrive={{'idempotent': True}})"
        )
    return IncidentStep.PLAN, None


@dataclass(frozen=True, slots=True)
class RetryRequest:
    """What a person asks for: a failure (or the newest one of a task), or all of an incident, redriven, and why.

    It waits for its dependency's gate like all others, unless it is forced. With a `route` it goes elsewhere.
    """

    actor: str
    reason: str
    failure_id: UUID | None = None
    task_id: str | None = None
    force: bool = False
    incident_id: UUID | None = None
    route: Route | None = None

    @property
    def kind(self) -> CommandKind:
        """Tell which command this is."""
        return CommandKind.REROUTE if self.route else CommandKind.RETRY

    def plan(self, *, once: bool) -> Plan:
        """Give the plan of its release; `once`: a task that may not run twice runs once for each command."""
        name = PlanName.REROUTE if self.route else PlanName.RETRY
        return Plan(name, f"{self.actor}: {self.reason}", self.route, gate=ONCE if once else BY_HAND)


def command_retry(  # noqa: PLR0913 - what the orchestrator knows beside what is asked, by keyword
    tx: LedgerTx,
    request: RetryRequest,
    command_id: UUID,
    now: datetime,
    *,
    keys_known: bool = False,
    policies: Policies | None = None,
) -> Command:
    """Record a person's command and open its release: no execution is needed for it, so it works with StackStorm down.

    Raises NotFound, Conflict for a failure that is not held, NotRedrivable for one whose message cannot go out again,
    InvalidPlan for a route that is none. All of an incident is one release.
    """
    release_id = derive("release", command_id)
    bare = Command(command_id, request.actor, request.reason, now, request.kind, release_id=release_id)
    bare = replace(bare, forced=request.force)
    if request.incident_id is not None:
        return _command_incident(tx, request, bare, policies or Policies())
    stored = asked_for(tx, request)
    refuse_unmovable(tx, stored)
    refuse_not_redrivable(stored.failure.message, keys_known=keys_known)
    refuse_expired(stored.failure.message, now)
    incident = tx.incident(stored.incident_id)
    _open(tx, request, stored.incident_id, bare, once=not stored.idempotent)
    tx.save_failure(moved(stored, FailureState.HELD, now))
    tx.claim([stored.failure.id], release_id)
    command = replace(
        bare,
        failure_id=stored.failure.id,
        incident_id=stored.incident_id,
        dependency=incident.dependency if incident else None,
        before={"state": str(stored.state)} | _overridden(tx, incident, policies or Policies(), now),
        after={"state": str(FailureState.HELD)},
    )
    return _recorded(tx, command, incident, now)


def _command_incident(tx: LedgerTx, request: RetryRequest, bare: Command, policies: Policies) -> Command:
    incident = tx.incident(request.incident_id) if request.incident_id else None
    if incident is None or bare.release_id is None:
        raise NotFound("incident", str(request.incident_id))
    before = {str(state): count for state, count in tx.states_of(incident.id).items()}
    _open(tx, request, incident.id, bare, once=False)
    taken = tx.claim_incident(incident.id, bare.release_id)
    if not taken:
        raise Conflict("expected an incident with failures that are held or dead and not asked for yet, got none")
    overridden = _overridden(tx, incident, policies, bare.created_at)
    command = replace(
        bare,
        incident_id=incident.id,
        dependency=incident.dependency,
        before={"failures": before} | overridden,
        after={"failures": taken},
    )
    return _recorded(tx, command, incident, bare.created_at)


def _open(tx: LedgerTx, request: RetryRequest, incident_id: UUID, bare: Command, *, once: bool) -> None:
    plan = request.plan(once=once)
    check(plan)
    release = _release(derive("release", bare.id), incident_id, plan, bare.created_at, bare.id)
    tx.add_release(replace(release, forced=request.force))


def _overridden(tx: LedgerTx, incident: Incident | None, policies: Policies, now: datetime) -> dict[str, list[str]]:
    """Tell what speaks against going now: a command waits for it, and one that is forced overrides it."""
    return {"waits_for": list(obstacles(tx, incident, policies, now))} if incident else {}


def _recorded(tx: LedgerTx, command: Command, incident: Incident | None, now: datetime) -> Command:
    tx.add_command(command)
    tx.emit(command_recorded(command, incident, now))
    return command


def asked_for(tx: LedgerTx, request: RetryRequest) -> StoredFailure:
    """Find the failure that a person means; raises NotFound."""
    if request.failure_id is not None:
        stored = tx.failure(request.failure_id)
        key = str(request.failure_id)
    else:
        stored = tx.failure_of_task(request.task_id or "")
        key = str(request.task_id)
    if stored is None:
        raise NotFound("failure", key)
    return stored


def refuse_unmovable(tx: LedgerTx, stored: StoredFailure) -> None:
    """Raise Conflict for a failure that cannot go now: on its way, over, the broker's, or asked for already."""
    if stored.state is FailureState.REDELIVERY_PENDING and stored.pending_since:
        raise Conflict(
            "expected a failure whose message is gone from the broker, got one whose message it still holds, since "
            f"{stored.pending_since.isoformat()}; this ends when the message has been delivered again and that run has "
            "ended, or after REDRIVE_REDELIVERY_GRACE seconds, when it is settled without it; ask again then"
        )
    if stored.state not in (FailureState.HELD, FailureState.DEAD):
        raise Conflict(f"expected a failure that is held or dead, got one that is {stored.state}; see its attempts")
    if stored.command_release_id is None:
        return
    release = tx.release(stored.command_release_id)
    if release and release.state not in ENDED:
        raise Conflict(f"expected a failure that nobody has asked for yet, got one that release {release.id} holds")


def open_releases(tx: LedgerTx, now: datetime) -> None:
    """Give every planned incident that has failures to move, and no release to move them, one that does."""
    for incident in tx.without_release():
        if incident.plan is not None:
            ordinal = len(tx.releases_of(incident.id))
            release_id = derive("release", incident.id, incident.revision, ordinal)
            tx.add_release(_release(release_id, incident.id, incident.plan, now, None))


def _release(release_id: UUID, incident_id: UUID, plan: Plan, now: datetime, command_id: UUID | None) -> Release:
    return Release(
        id=release_id,
        incident_id=incident_id,
        plan=plan,
        state=ReleaseState.HOLDING,
        gate_at=now if command_id else first_gate(plan, now),
        command_id=command_id,
        started_at=now,
    )
