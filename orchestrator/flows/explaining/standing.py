"""How a failure or an incident stands now: what it waits for, when it goes, and what a person may type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.domain.attempts import IN_FLIGHT
from orchestrator.domain.commands import Mode
from orchestrator.domain.dispatches import DispatchState
from orchestrator.domain.eligibility import expired, refusal_of
from orchestrator.domain.failures import FailureState
from orchestrator.domain.pacing import Phase
from orchestrator.domain.release import ENDED, Halt
from orchestrator.domain.story import Now
from orchestrator.flows.explaining.advice import BY_HAND, advised, asked_for
from orchestrator.flows.explaining.decided import undecided
from orchestrator.flows.explaining.recoveries import consent, meant, proposed_for
from orchestrator.flows.explaining.words import at, cut
from orchestrator.flows.obstacles import obstacles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.release import Release
    from orchestrator.domain.standing import StoredFailure
    from orchestrator.flows.explaining.known import Known

NOTHING: Final = "nothing is left to do"


def now_of_failure(tx: LedgerTx, stored: StoredFailure, incident: Incident | None, known: Known) -> Now:
    """Say how a failure stands."""
    state, show = stored.state, f"redrive incidents show {stored.incident_id}"
    watch = f"redrive incidents watch {stored.incident_id}"
    if state in (FailureState.RECOVERED, FailureState.DISCARDED):
        return Now(str(state), NOTHING, command=show)
    if state is FailureState.REDELIVERY_PENDING:
        text = "the redelivered run ends this; else it is settled after REDRIVE_REDELIVERY_GRACE seconds"
        return Now(str(state), text, ("the run that the broker's redelivery brings",), command=watch)
    if state is FailureState.RELEASED:
        return Now(str(state), "its redrive is out: its outcome decides", (_outcome(tx, stored),), command=watch)
    return _stuck(stored, known) or _held(tx, stored, incident, known)


def _outcome(tx: LedgerTx, stored: StoredFailure) -> str:
    out = [each for each in tx.attempts_of(stored.failure.id) if each.state in IN_FLIGHT]
    since = f", out since {at(out[-1].recorded_at)}" if out else ""
    return f"the outcome of its redrive{since}"


def _stuck(stored: StoredFailure, known: Known) -> Now | None:
    """Say why a failure cannot be published again; None where it can."""
    message = stored.failure.message
    refused = refusal_of(message, keys_known=known.keys_known) or expired(message, known.now)
    if refused is None:
        return None
    command = f"redrive failures discard {stored.failure.id} --reason WHY"
    return Now(str(stored.state), f"it cannot be published again: {cut(refused)}", command=command)


def _held(tx: LedgerTx, stored: StoredFailure, incident: Incident | None, known: Known) -> Now:
    if stored.state is FailureState.DEAD or incident is None:
        waits = (f"a person: {cut(stored.reason)}",) if stored.reason else ()
        command = f"redrive retry --failure {stored.failure.id} --reason WHY"
        return Now(str(stored.state), BY_HAND, waits, command=command)
    return _waiting(tx, incident, known, stored)


def now_of_incident(tx: LedgerTx, incident: Incident, known: Known) -> Now:
    """Say how an incident stands."""
    if incident.closed:
        return Now(str(incident.state), NOTHING, command=f"redrive postmortem {incident.id}")
    if tx.dead_failures(incident.id) and not tx.any_open(incident.id):
        command = f"redrive retry --incident {incident.id} --reason WHY"
        return Now(str(incident.state), BY_HAND, (incident.note or "a person",), command=command)
    return _waiting(tx, incident, known, None)


def _waiting(tx: LedgerTx, incident: Incident, known: Known, stored: StoredFailure | None) -> Now:
    waits = tuple(_waits(tx, incident, known, stored))
    state = str(stored.state if stored else incident.state)
    next_at = _next_at(tx, incident, stored, known.now) if _goes(tx, incident, stored) else None
    text, command = advised(tx, incident, known, stored)
    return Now(state, text, waits, next_at, command)


def _waits(tx: LedgerTx, incident: Incident, known: Known, stored: StoredFailure | None) -> Iterator[str]:
    mode = tx.mode() or known.default_mode
    if mode is not Mode.ACT:
        yield f"the mode is {mode}: nothing is redriven before somebody sets it to act"
    yield from obstacles(tx, incident, known.policies, known.now)
    yield from (consent(tx, each) for each in proposed_for(tx, incident) if meant(tx, each, stored))
    asked = asked_for(tx, stored)
    if asked is None:
        yield from _of_decision(tx, incident, stored)
    for release in [asked] if asked else _active(tx, incident):
        yield from _of_release(tx, release, known.now)


def _of_decision(tx: LedgerTx, incident: Incident, stored: StoredFailure | None) -> Iterator[str]:
    plan = incident.plan
    if plan is None:
        yield from _undecided(tx, incident)
    elif not plan.redrives:
        yield f"a person: the plan is {plan.name} ({cut(plan.reason)})"
    elif stored is not None and not stored.idempotent:
        yield f"a person: {stored.failure.task} is not declared idempotent, so it is not run again by itself"
    elif stored is None:
        for task, count in sorted(tx.tasks_waiting(incident.id).items()):
            yield f"a person, for {count:,} of {cut(task, 100)}: the task is not declared idempotent"


def _undecided(tx: LedgerTx, incident: Incident) -> Iterator[str]:
    contact = tx.contact()
    if contact.away_since:
        yield f"StackStorm, which has been out of reach since {at(contact.away_since)}"
    dispatch = undecided(tx.dispatches_of(incident.id))
    if incident.note:
        yield f"a decision: {cut(incident.note)}"
    elif dispatch is None:
        yield "something to decide on: its rules have not been asked yet"
    elif dispatch.state is DispatchState.COLLAPSED:
        yield f"the answer to the trigger of incident {dispatch.led_by}, which stands for this one's"
    elif dispatch.execution_ids:
        yield f"a decision: execution {', '.join(dispatch.execution_ids)} has not given its plan yet"
    else:
        yield f"a decision: its trigger is {dispatch.state}, and no rule has answered"


def _of_release(tx: LedgerTx, release: Release, now: datetime) -> Iterator[str]:
    if release.halted is Halt.PAUSED:
        yield f"its recovery, which rests: {cut(release.note or 'paused')}"
        return
    ramp = tx.ramp(release.ramp)
    told = ramp.gate_at if ramp and ramp.phase is Phase.HOLDING else None
    if release.gate_at > now and release.gate_at != told:
        yield f"the gate of its release, which opens at {at(release.gate_at)}"
    if ramp is None or (ramp.name.startswith("release ") is False and not ramp.name.startswith("incident ")):
        return  # what a dependency's ramp waits for is among the obstacles
    if ramp.phase is Phase.CANARY:
        yield "the outcome of its release's canary"
    elif ramp.phase is Phase.HOLDING and ramp.gate_at and ramp.gate_at > now:
        yield f"its release's next canary, at {at(ramp.gate_at)}"
    if release.note:
        yield cut(release.note)


def _active(tx: LedgerTx, incident: Incident) -> list[Release]:
    return [each for each in tx.releases_of(incident.id) if each.state not in ENDED]


def _goes(tx: LedgerTx, incident: Incident, stored: StoredFailure | None) -> bool:
    """Tell whether it goes by the clock: nobody holds it, and a plan or a command redrives it."""
    dependency = tx.dependency(incident.dependency) if incident.dependency else None
    asked = asked_for(tx, stored)
    if incident.held_by or (dependency and dependency.held_by) or (asked and asked.halted):
        return False
    return bool(asked) or (incident.plan is not None and incident.plan.redrives)


def _next_at(tx: LedgerTx, incident: Incident, stored: StoredFailure | None, now: datetime) -> datetime | None:
    """Give the earliest time at which something of it may go, where that is a matter of the clock."""
    asked = asked_for(tx, stored)
    dependency = tx.dependency(incident.dependency) if incident.dependency else None
    until = dependency.not_before if dependency else None
    times = [_gate_of(tx, each) for each in ([asked] if asked else _active(tx, incident)) if not each.halted]
    later = [max(each, until) if until else each for each in times if each] or ([until] if until else [])
    ahead = [each for each in later if each > now]
    return min(ahead) if ahead else None


def _gate_of(tx: LedgerTx, release: Release) -> datetime:
    ramp = tx.ramp(release.ramp)
    holding = ramp is not None and ramp.phase is Phase.HOLDING
    return max(release.gate_at, ramp.gate_at) if ramp and holding and ramp.gate_at else release.gate_at
