"""Obstacles: what keeps the redrives of an incident back now, in words, as the releaser will find it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.domain.budget import affordable, refilled
from orchestrator.domain.dependencies import ITS_OWN
from orchestrator.domain.gates import barred, shut
from orchestrator.domain.health import aged, present
from orchestrator.domain.pacing import Phase
from orchestrator.domain.release import NO_BUDGET
from orchestrator.domain.showing import shown_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from orchestrator.domain.dependencies import Dependency, Policies
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.pacing import Ramp


def obstacles(tx: LedgerTx, incident: Incident, policies: Policies, now: datetime) -> tuple[str, ...]:
    """Say what a command to redrive an incident's failures would wait for; nothing: it goes with the next step."""
    return tuple(_obstacles(tx, incident, policies, now))


def _obstacles(tx: LedgerTx, incident: Incident, policies: Policies, now: datetime) -> Iterator[str]:
    if incident.held_by:
        yield f"the incident is held by {incident.held_by}: {incident.held_reason}"
    dependency = tx.dependency(incident.dependency) if incident.dependency else None
    if dependency is None:
        return
    ramp = tx.ramp(dependency.name) if incident.kind in ITS_OWN else None
    ramping = ramp is not None and ramp.phase is Phase.RAMPING
    yield from of_dependency(dependency, policies, now, ramping=ramping)
    if ramp:
        yield from of_ramp(ramp, now)


def of_dependency(dependency: Dependency, policies: Policies, now: datetime, *, ramping: bool = False) -> Iterator[str]:
    """Say what a dependency holds redrives back with: a person, its Retry-After, its health, its budget."""
    policy = policies.of(dependency.name)
    known = present(refilled(aged(dependency, now, policy), policy, now))
    closed = barred(known, now) if ramping else shut(known, policy, now)
    if closed:
        yield closed.why
    if affordable(known) < 1:
        yield NO_BUDGET


def of_ramp(ramp: Ramp, now: datetime) -> Iterator[str]:
    """Say what a ramp that is shared waits for: the outcome of its canary, or the time of the next one."""
    if ramp.phase is Phase.CANARY:
        yield f"a canary of {ramp.name} is out, and nothing follows before it has come back"
    elif ramp.phase is Phase.HOLDING and ramp.gate_at and ramp.gate_at > now:
        yield f"the next canary of {ramp.name} goes at {shown_time(ramp.gate_at)}"
