"""Release: planned failures go out again, canary first. Each attempt is recorded, published, noted as published.

Releases that lean on the same dependency go over one ramp: one gate, one canary, one window, one budget.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from orchestrator.domain.attempts import IN_FLIGHT, Attempt, AttemptState
from orchestrator.domain.budget import affordable, refilled, spent
from orchestrator.domain.commands import Mode
from orchestrator.domain.dependencies import Dependency, Health, Policies
from orchestrator.domain.eligibility import expired, refusal_of
from orchestrator.domain.failures import FailureState
from orchestrator.domain.gates import barred, shut
from orchestrator.domain.health import aged
from orchestrator.domain.ids import derive
from orchestrator.domain.incidents import IncidentStep, Trigger, after, incident_payload
from orchestrator.domain.moment import Moment
from orchestrator.domain.pacing import Phase, Ramp, canary_sent
from orchestrator.domain.release import (
    LARGEST_BATCH,
    Passage,
    Release,
    ReleaseState,
    after_canary_sent,
    next_moves,
    release_payload,
)
from orchestrator.domain.routes.table import RouteTable
from orchestrator.domain.standing import moved
from orchestrator.failpoints import hit
from orchestrator.flows.announcing import attempt_recorded, release_ended
from orchestrator.flows.auditing import given_to_people
from orchestrator.flows.bulk.ending import release_over
from orchestrator.flows.detours import (
    detour_of,
    health_of,
    look_again,
    looked_at,
    on_detour,
    routed,
    spend,
    told,
    wanted,
    within_budget,
)
from orchestrator.flows.grouping import group, in_flight, waited_for
from orchestrator.flows.health import settle
from orchestrator.flows.outcomes import close_if_recovered
from orchestrator.flows.publishing import Publishing, redrive_of
from orchestrator.flows.ramps import shut_again
from orchestrator.flows.reading import first_failure
from orchestrator.flows.recovery import open_releases
from orchestrator.flows.rerouting import Router, route_of
from orchestrator.flows.triggers import queue_trigger

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import Ledger, LedgerTx
    from orchestrator.domain.ports import Redriver
    from orchestrator.domain.redrives import Redrive
    from orchestrator.domain.release import Send
    from orchestrator.domain.routes.decisions import Decision
    from orchestrator.domain.standing import StoredFailure
    from orchestrator.flows.grouping import Ramped


@dataclass(frozen=True, slots=True)
class Step:
    """One step of all ramps: what is known of dependencies and flies to them changes with each ramp that moves."""

    tx: LedgerTx
    moment: Moment
    router: Router
    known: dict[str, Dependency]
    flying: Counter[str]

    def draw(self, dependency: Dependency, redrives: int) -> None:
        """Note what one ramp has sent: the next one finds the budget and the room that it left."""
        self.known[dependency.name] = spent(dependency, redrives)
        self.flying[dependency.name] += redrives
        self.tx.save_dependency(self.known[dependency.name])


@dataclass(frozen=True, slots=True)
class Releaser:
    """Carries plans out. `default_mode` holds until somebody sets one; `keys_known`: sealed messages can be opened."""

    ledger: Ledger
    redriver: Redriver
    clock: Callable[[], datetime]
    jitter: Callable[[], float]
    default_mode: Mode
    keys_known: bool = False
    policies: Policies = field(default_factory=Policies)
    routes: RouteTable = field(default_factory=RouteTable)

    def run_once(self) -> int:
        """Move every release one step; gives the number of redrives published."""
        redrives = self._decide(Moment(self.clock(), self.jitter(), self.policies))
        publishing = Publishing(self.ledger, self.redriver, self.clock, self.jitter, self.policies)
        return publishing.publish(redrives)

    def _decide(self, moment: Moment) -> list[Redrive]:
        redrives: list[Redrive] = []
        if self._rests():
            return []
        with self.ledger.transaction() as tx:
            if (tx.mode() or self.default_mode) is not Mode.ACT:
                return []
            open_releases(tx, moment.at)
            groups = group(tx, moment.at)
            known = settle(tx, waited_for(groups), moment.at, self.policies)
            router = Router(tx, self.routes, moment.at, health_of(tx, self.policies, moment.at))
            step = Step(tx, moment, router, known, in_flight(groups))
            for each in groups:
                if len(redrives) < LARGEST_BATCH:
                    redrives.extend(self._move(step, each))
            tx.drop_ramps({ramp.name for ramp in tx.ramps()} - _used(groups))
        if redrives:
            hit("attempt_recorded")
        return redrives

    def _rests(self) -> bool:
        """Tell whether nothing moves and nothing heals: then no writer has to wait for this step."""
        with self.ledger.reading() as tx:
            moving = tx.active_releases() or tx.without_release() or tx.ramps()
            return not moving and all(each.health is Health.HEALTHY for each in tx.dependencies())

    def _move(self, step: Step, ramped: Ramped) -> Sequence[Redrive]:
        tx, moment, router = step.tx, step.moment, step.router
        before = step.known.get(ramped.dependency) or Dependency(ramped.dependency)
        ramp, dependency = self._shut_again(tx, ramped, before, moment), self._refilled(before, moment.at)
        passage = self._passage(ramped, dependency, step)
        moves = next_moves(ramp, ramped.entries, passage, moment.at)
        for over in moves.finishes:
            finish(tx, replace(over.release, state=_verdict(tx, over.release, over.state)), moment.at)
        at_home = bool(ramped.dependency) and ramp.name == ramped.dependency
        redrives = [each for send in moves.sends for each in self._send(tx, ramp, send, router, home_open=at_home)]
        if redrives and ramped.dependency:
            step.draw(dependency, len(redrives))
        elif moves.why != ramp.why:
            tx.save_ramp(replace(ramp, why=moves.why))
        return [*redrives, *self._detour(tx, ramped, ramp, dependency, router)]

    def _detour(
        self, tx: LedgerTx, ramped: Ramped, ramp: Ramp, dependency: Dependency, router: Router
    ) -> Sequence[Redrive]:
        """Let failures that home does not take go elsewhere, over the ramps of their own that their releases have."""
        redrives: list[Redrive] = []
        for entry in wanted(ramped, ramp, dependency, router.now):
            own = tx.ramp(detour_of(entry.release)) or Ramp(detour_of(entry.release))
            if _canary_gone(tx, own):
                own = replace(own, phase=Phase.HOLDING)
            moves = next_moves(own, [on_detour(tx, entry, own, router.now)], Passage(), router.now)
            for send in moves.sends:
                redrives += self._send(tx, own, replace(send, fresh=True), router, home_open=False)
        return redrives

    def _shut_again(self, tx: LedgerTx, ramped: Ramped, dependency: Dependency, moment: Moment) -> Ramp:
        """Hold a ramp again whose dependency is down by what others have seen, whose windows have all closed, or whose
        canary has ended elsewhere: given up, or counted for a ramp that its release was moved to.
        """
        if _canary_gone(tx, ramped.ramp):
            return shut_again(tx, ramped.ramp, ramped.entries[0].release, moment)
        down = ramped.ramp.name == dependency.name and dependency.health is Health.DOWN
        if ramped.ramp.phase is Phase.RAMPING and (down or ramped.closed(moment.at)):
            return shut_again(tx, ramped.ramp, ramped.entries[0].release, moment)
        return ramped.ramp

    def _refilled(self, dependency: Dependency, now: datetime) -> Dependency:
        return refilled(dependency, self.policies.of(dependency.name), now)

    def _passage(self, ramped: Ramped, dependency: Dependency, step: Step) -> Passage:
        if ramped.forced or not ramped.dependency:
            return Passage()
        policy, now = self.policies.of(dependency.name), step.moment.at
        here = sum(entry.members.in_flight for entry in ramped.entries)
        return Passage(
            shut=shut(aged(dependency, now, policy), policy, now),
            barred=barred(dependency, now),
            most=policy.max_in_flight - (step.flying[dependency.name] - here),
            affordable=affordable(dependency),
        )

    def _send(self, tx: LedgerTx, ramp: Ramp, send: Send, router: Router, *, home_open: bool) -> list[Redrive]:
        release, now = tx.release(send.release.id) or send.release, router.now
        held = self._redrivable(tx, tx.held(release, looked_at(release), fresh=send.fresh), now)
        going, closed = routed(router, release, held, send.count, home_open=home_open)
        going = within_budget(tx, self.policies, going, now)
        release = told(tx, release, going, closed)
        if closed and not going:
            look_again(tx, release, ramp, now)
        redrives = [_record(tx, release, stored, decision, now) for stored, decision in going]
        spend(tx, self.policies, going, now)
        if send.canary and redrives:
            tx.save_ramp(canary_sent(ramp, release.id, redrives[0].attempt_id))
            if ramp.name == release.ramp:
                tx.save_release(after_canary_sent(release))
        return redrives

    def _redrivable(self, tx: LedgerTx, held: Sequence[StoredFailure], now: datetime) -> list[StoredFailure]:
        """Keep what can be published again; the rest is dead, with the reason."""
        going, without = [], set()
        for stored in held:
            message = stored.failure.message
            refusal = refusal_of(message, keys_known=self.keys_known) or expired(message, now)
            if refusal is None:
                going.append(stored)
            else:
                tx.save_failure(moved(stored, FailureState.DEAD, now, refusal))
                without.add(stored.incident_id)
        for incident_id in without:
            close_if_recovered(tx, incident_id, now)
        return going


def _verdict(tx: LedgerTx, release: Release, state: ReleaseState) -> ReleaseState:
    """Call failed what ended because its messages cannot be published again: nothing came back, and some are dead."""
    if state is not ReleaseState.SUCCEEDED or tx.release_counts(release.id).successes:
        return state
    return ReleaseState.FAILED if tx.dead_failures(release.incident_id) else state


def _canary_gone(tx: LedgerTx, ramp: Ramp) -> bool:
    if ramp.phase is not Phase.CANARY or ramp.canary_id is None:
        return False
    attempt = tx.attempt(ramp.canary_id)
    return attempt is None or attempt.state not in IN_FLIGHT


def _used(groups: Sequence[Ramped]) -> set[str]:
    """Name the ramps over which a release goes, or may take detours."""
    detours = {detour_of(entry.release) for each in groups for entry in each.entries}
    return detours | {each.ramp.name for each in groups}


def _record(tx: LedgerTx, release: Release, stored: StoredFailure, decision: Decision | None, now: datetime) -> Redrive:
    number = stored.attempts + 1
    attempt = Attempt(
        id=derive("attempt", stored.failure.id, stored.failure.event_id, number),
        failure_id=stored.failure.id,
        task_id=stored.failure.task_id,
        incident_id=stored.incident_id,
        release_id=release.id,
        number=number,
        turn=stored.tries + 1,
        plan=str(release.plan.name),
        state=AttemptState.RECORDED,
        recorded_at=now,
        execution_id=release.plan.execution_id,
        decision=decision,
    )
    tx.add_attempt(attempt)
    incident = tx.incident(stored.incident_id)
    if incident:
        tx.emit(attempt_recorded(attempt, stored.failure, incident, now))
    return redrive_of(attempt.id, stored.failure, incident, route_of(decision) if decision else None, release.plan)


def finish(tx: LedgerTx, release: Release, now: datetime) -> None:
    """End a release: its counts are told to the world and to the rules, and a person is asked where it failed."""
    ended = replace(release, ended_at=now, note=_why_failed(release))
    tx.save_release(ended)
    _tell_ended(tx, ended, now)
    release_over(tx, ended, now)
    if ended.state is ReleaseState.ABORTED:
        close_if_recovered(tx, ended.incident_id, now)


def _tell_ended(tx: LedgerTx, ended: Release, now: datetime) -> None:
    counts = tx.release_counts(ended.id)
    incident = tx.incident(ended.incident_id)
    tx.emit(release_ended(ended, counts, incident, now))
    if incident is None or ended.state is ReleaseState.ABORTED:
        return  # whose person ended it needs no rule
    succeeded = ended.state is ReleaseState.SUCCEEDED
    trigger = Trigger.RELEASE_SUCCEEDED if succeeded else Trigger.RELEASE_FAILED
    queue_trigger(tx, incident, trigger, release_payload(ended, incident, counts), now)
    if not succeeded and ended.plan.redrives:
        _exhaust(tx, incident, ended, now)


def _why_failed(release: Release) -> str | None:
    if release.state is ReleaseState.SUCCEEDED:
        return None
    if release.state is ReleaseState.ABORTED:
        return release.note
    if not release.plan.redrives:
        return f"the plan {release.plan.name} took the place of the one that redrove"
    if not release.tries:
        return "none of its messages can be published again; each failure says why"
    return f"{release.tries} canaries failed in a row"


def _exhaust(tx: LedgerTx, incident: Incident, release: Release, now: datetime) -> None:
    buried = tx.give_up(release, f"attempts exhausted: {release.note}", now)
    dead = tx.dead_failures(incident.id)  # with those that died one by one before
    note = f"attempts exhausted: {release.note}; {dead} failures are listed as dead and wait for a person"
    if release.command_id or incident.closed:
        tx.audit(given_to_people(incident, replace(incident, note=note), release, buried, now))
        close_if_recovered(tx, incident.id, now)
        return
    state = after(incident.state, IncidentStep.WAIT)
    waiting = replace(incident.asked_anew(), state=state, note=note)
    tx.save_incident(waiting)
    tx.audit(given_to_people(incident, waiting, release, buried, now))
    payload = incident_payload(waiting, first_failure(tx, waiting), release.tries)
    queue_trigger(tx, waiting, Trigger.ATTEMPTS_EXHAUSTED, payload, now)
