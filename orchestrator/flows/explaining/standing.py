"""How a failure or an incident stands now: what it waits for, when it goes, and what a person may type."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Final

from orchestrator.domain.commands import Mode
from orchestrator.domain.dispatches import DispatchState
from orchestrator.domain.eligibility import expired, refusal_of
from orchestrator.domain.failures import FailureState
from orchestrator.domain.pacing import Phase
from orchestrator.domain.release import ENDED
from orchestrator.domain.story import Now
from orchestrator.flows.explaining.decided import undecided
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
BY_HAND: Final = "nothing happens by itself: a person has to decide"
BY_ITSELF: Final = "it goes by itself; nothing has to be done"


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
        return Now(str(state), "its redrive is out", ("the outcome of its redrive",), command=watch)
    return _stuck(stored, known) or _held(tx, stored, incident, known)


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
        return Now(str(stored.state), BY_HAND, command=f"redrive retry --failure {stored.failure.id} --reason WHY")
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
    text, command = _next(tx, incident, known, stored)
    return Now(state, text, waits, next_at, command)


def _waits(tx: LedgerTx, incident: Incident, known: Known, stored: StoredFailure | None) -> Iterator[str]:
    mode = tx.mode() or known.default_mode
    if mode is not Mode.ACT:
        yield f"the mode is {mode}: nothing is redriven before somebody sets it to act"
    yield from obstacles(tx, incident, known.policies, known.now)
    asked = _asked_for(tx, stored)
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


def _asked_for(tx: LedgerTx, stored: StoredFailure | None) -> Release | None:
    release = tx.release(stored.command_release_id) if stored and stored.command_release_id else None
    return release if release and release.state not in ENDED else None


def _active(tx: LedgerTx, incident: Incident) -> list[Release]:
    return [each for each in tx.releases_of(incident.id) if each.state not in ENDED]


def _goes(tx: LedgerTx, incident: Incident, stored: StoredFailure | None) -> bool:
    """Tell whether it goes by the clock: nobody holds it, and a plan or a command redrives it."""
    dependency = tx.dependency(incident.dependency) if incident.dependency else None
    if incident.held_by or (dependency and dependency.held_by):
        return False
    return bool(_asked_for(tx, stored)) or (incident.plan is not None and incident.plan.redrives)


def _next_at(tx: LedgerTx, incident: Incident, stored: StoredFailure | None, now: datetime) -> datetime | None:
    """Give the earliest time at which something of it may go, where that is a matter of the clock."""
    asked = _asked_for(tx, stored)
    dependency = tx.dependency(incident.dependency) if incident.dependency else None
    until = dependency.not_before if dependency else None
    times = [_gate_of(tx, each) for each in ([asked] if asked else _active(tx, incident))]
    later = [max(each, until) if until else each for each in times if each] or ([until] if until else [])
    ahead = [each for each in later if each > now]
    return min(ahead) if ahead else None


def _gate_of(tx: LedgerTx, release: Release) -> datetime:
    ramp = tx.ramp(release.ramp)
    holding = ramp is not None and ramp.phase is Phase.HOLDING
    return max(release.gate_at, ramp.gate_at) if ramp and holding and ramp.gate_at else release.gate_at


def _next(tx: LedgerTx, incident: Incident, known: Known, stored: StoredFailure | None) -> tuple[str, str]:
    """Say what comes next, and what a person may type: what is in the way first."""
    dependency = tx.dependency(incident.dependency) if incident.dependency else None
    if (tx.mode() or known.default_mode) is not Mode.ACT:
        return "nothing goes before the mode is act", "redrive mode act"
    if incident.held_by:
        return "nothing goes before the hold is lifted", f"redrive release --incident {incident.id} --reason WHY"
    if dependency and dependency.held_by:
        return "nothing goes before the hold is lifted", f"redrive release {quote(dependency.name)} --reason WHY"
    waits_for_person = incident.plan is None or not incident.plan.redrives
    alone = stored is not None and not stored.idempotent
    if (waits_for_person or alone) and not _asked_for(tx, stored):
        what = f"--failure {stored.failure.id}" if stored else f"--incident {incident.id}"
        return _of_undecided(tx, incident), f"redrive retry {what} --reason WHY"
    if dependency and dependency.unwell:
        text = f"a canary asks {cut(dependency.name, 60)} first; the rest goes by itself once that has come back"
        return text, f"redrive dependencies {quote(dependency.name)}"
    return BY_ITSELF, f"redrive incidents watch {incident.id}"


def _of_undecided(tx: LedgerTx, incident: Incident) -> str:
    dispatch = undecided(tx.dispatches_of(incident.id))
    answers = dispatch is not None and dispatch.state in (
        DispatchState.PENDING,
        DispatchState.SENDING,
        DispatchState.SENT,
        DispatchState.FIRED,
    )
    if incident.plan is None and answers:
        return "a rule may still decide; a person can meanwhile"
    return BY_HAND
