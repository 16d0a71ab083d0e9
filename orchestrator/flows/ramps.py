"""Ramps: what the outcome of a redrive does to the gate, the window and the health that its release shares."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.domain.dependencies import ITS_OWN
from orchestrator.domain.failures import Kind
from orchestrator.domain.health import Seen, came_back, seen, went_down
from orchestrator.domain.pacing import Phase, another_canary, counts, held, went_badly, went_well
from orchestrator.domain.release import ReleaseState
from orchestrator.flows.detours import lane_of
from orchestrator.flows.gates import next_gate
from orchestrator.flows.health import known, save

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.domain.attempts import Attempt, Outcome
    from orchestrator.domain.dependencies import Dependency
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.moment import Moment
    from orchestrator.domain.pacing import Ramp
    from orchestrator.domain.release import Release

# What may speak of the dependency: its own kinds, and what nobody knows more of.
BAD = ITS_OWN | {Kind.UNKNOWN}


def redrive_went_well(tx: LedgerTx, attempt: Attempt, moment: Moment) -> None:
    """Open the ramp after a canary, widen it after another redrive; the dependency is seen to work."""
    release = tx.release(attempt.release_id)
    incident = tx.incident(release.incident_id) if release else None
    if release is None or incident is None:
        return
    lane = lane_of(attempt, release, incident)
    ramp = tx.ramp(lane.ramp)
    canary = ramp is not None and ramp.phase is Phase.CANARY and ramp.canary_id == attempt.id
    if lane.dependency:
        before = known(tx, lane.dependency)
        after = seen(before, Seen(moment.at, succeeded=1), moment.policies.of(before.name))
        save(tx, came_back(after, moment.at) if canary and lane.shared else after, before, moment.at)
    if ramp and counts(ramp, attempt.id):
        policy = moment.policies.of(lane.dependency or lane.ramp)
        _store(tx, ramp, went_well(ramp, policy.first_window, policy.max_in_flight), moment)


def redrive_went_badly(tx: LedgerTx, attempt: Attempt, outcome: Outcome, moment: Moment) -> None:
    """Narrow the window or shut the gate again, where what failed speaks of what the ramp leads to."""
    release = tx.release(attempt.release_id)
    incident = tx.incident(release.incident_id) if release else None
    if release is None or incident is None:
        return
    lane = lane_of(attempt, release, incident)
    ramp, kind = tx.ramp(lane.ramp), outcome.kind or incident.kind
    dependency = _noted(tx, lane.dependency, outcome, kind, moment) if lane.dependency and outcome.heard else None
    if ramp is None or not counts(ramp, attempt.id) or _before_canary(tx, ramp, attempt):
        return
    if lane.shared and not outcome.heard:
        _store(tx, ramp, _let_others_go_first(release, ramp, moment), moment)
        return
    if (lane.shared or lane.detour) and kind not in BAD:
        _store(tx, ramp, _says_nothing(release, ramp, moment), moment)
        return
    flying = tx.members(release).in_flight if lane.detour else _in_flight(tx, ramp)
    after = went_badly(ramp, flying + 1, _shared_gate(release, ramp, moment))
    _store(tx, ramp, after, moment)
    if lane.shared and dependency and after.phase is Phase.HOLDING:
        why = f"its redrives fail: {outcome.failed_with or 'no reason told'}"
        save(tx, went_down(dependency, moment.at, why[:300]), dependency, moment.at)


def _says_nothing(release: Release, ramp: Ramp, moment: Moment) -> Ramp:
    """Go on after an outcome that speaks of the task alone: its failure leaves, and another one is the canary at once.

    One that a person asked for stays: the release waits its turn for the next try, and others go first.
    """
    if ramp.phase is not Phase.CANARY or release.command_id is None:
        return another_canary(ramp, moment.at)
    return _let_others_go_first(release, ramp, moment)


def _let_others_go_first(release: Release, ramp: Ramp, moment: Moment) -> Ramp:
    """Send no canary of this release before those of others: its last one told nothing of the dependency."""
    if ramp.phase is not Phase.CANARY:
        return ramp
    return replace(held(ramp, _shared_gate(release, ramp, moment)), canary_release_id=None)


def _before_canary(tx: LedgerTx, ramp: Ramp, attempt: Attempt) -> bool:
    """Tell whether a redrive went out before the canary that opened this ramp: it met what the canary did not."""
    canary = tx.attempt(ramp.canary_id) if ramp.canary_id else None
    return canary is not None and attempt.recorded_at < canary.recorded_at


def _in_flight(tx: LedgerTx, ramp: Ramp) -> int:
    return sum(tx.members(each).in_flight for each in tx.active_releases() if each.ramp == ramp.name)


def _noted(tx: LedgerTx, name: str, outcome: Outcome, kind: Kind, moment: Moment) -> Dependency:
    before = known(tx, name)
    if kind not in ITS_OWN:
        return before
    refused = kind is Kind.DEPENDENCY_DOWN and outcome.kind is kind
    what = Seen(moment.at, failed=1, refused=refused, retry_at=outcome.retry_at)
    after = seen(before, what, moment.policies.of(before.name))
    save(tx, after, before, moment.at)
    return after


def shut_again(tx: LedgerTx, ramp: Ramp, release: Release, moment: Moment) -> Ramp:
    """Hold a ramp whose dependency is seen to be down, or whose windows have all closed."""
    after = held(ramp, _shared_gate(release, ramp, moment))
    _store(tx, ramp, after, moment)
    return after


def _store(tx: LedgerTx, before: Ramp, after: Ramp, moment: Moment) -> None:
    """Store a ramp; its releases show where it stands."""
    if after == before:
        return
    tx.save_ramp(after)
    if (after.phase, after.tries) != (before.phase, before.tries):
        for release in tx.active_releases():
            if release.ramp == after.name:
                tx.save_release(_placed(release, before, after, moment))


def _placed(release: Release, before: Ramp, after: Ramp, moment: Moment) -> Release:
    placed = replace(release, state=ReleaseState(str(after.phase)))
    was_canary = before.phase is Phase.CANARY and release.id == before.canary_release_id
    if after.phase is Phase.RAMPING:
        return replace(placed, tries=0)
    if after.phase is not Phase.HOLDING or after.gate_at is None:
        return placed
    if after.tries < before.tries and was_canary:
        placed = replace(placed, tries=max(0, release.tries - 1))
        gate_at = after.gate_at if release.plan.gate.schedule is None else _own_gate(placed, after, moment)
        return replace(placed, gate_at=gate_at)
    went_at = release.gate_at if was_canary else None
    return replace(placed, gate_at=_own_gate(placed, after, moment, went_at))


def _shared_gate(release: Release, ramp: Ramp, moment: Moment) -> datetime:
    """Give the time before which no canary goes for any release: a schedule keeps back its own release alone."""
    return moment.at if release.plan.gate.schedule else next_gate(release.plan, ramp.tries, moment)


def _own_gate(release: Release, ramp: Ramp, moment: Moment, went_at: datetime | None = None) -> datetime:
    """Give the time before which no canary of a release goes; `went_at` is when the one that failed was due."""
    if release.plan.gate.schedule:
        return max(release.gate_at, next_gate(release.plan, release.tries, moment, went_at))
    return max(release.gate_at, ramp.gate_at or moment.at)
