"""Release: planned failures go out again, canary first. Each attempt is recorded, published, noted as published."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.domain.attempts import Attempt, AttemptState
from orchestrator.domain.commands import Mode
from orchestrator.domain.ids import derive
from orchestrator.domain.incidents import IncidentStep, Trigger, after, incident_payload
from orchestrator.domain.release import (
    LARGEST_BATCH,
    Finish,
    Release,
    ReleaseState,
    Send,
    after_canary_sent,
    next_step,
    release_payload,
    under,
)
from orchestrator.failpoints import hit
from orchestrator.flows.announcing import attempt_recorded, release_ended
from orchestrator.flows.gates import first_gate
from orchestrator.flows.outcomes import close_if_recovered
from orchestrator.flows.publishing import Publishing, Redrive
from orchestrator.flows.reading import first_failure
from orchestrator.flows.recovery import open_releases
from orchestrator.flows.triggers import queue_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import Ledger, LedgerTx, StoredFailure
    from orchestrator.domain.ports import Redriver


@dataclass(frozen=True, slots=True)
class Releaser:
    """Carries plans out. `default_mode` holds until somebody sets one."""

    ledger: Ledger
    redriver: Redriver
    clock: Callable[[], datetime]
    jitter: Callable[[], float]
    default_mode: Mode

    def run_once(self) -> int:
        """Move every release one step; gives the number of redrives published."""
        redrives = self._decide(self.clock())
        return Publishing(self.ledger, self.redriver, self.clock, self.jitter).publish(redrives)

    def _decide(self, now: datetime) -> list[Redrive]:
        redrives: list[Redrive] = []
        with self.ledger.transaction() as tx:
            if (tx.mode() or self.default_mode) is not Mode.ACT:
                return []
            open_releases(tx, now)
            for release in tx.active_releases():
                if len(redrives) < LARGEST_BATCH:
                    redrives.extend(_advance(tx, _up_to_date(tx, release, now), now))
        if redrives:
            hit("attempt_recorded")
        return redrives


def _up_to_date(tx: LedgerTx, release: Release, now: datetime) -> Release:
    """Carry on under the plan that the incident has got since; a person's release keeps its own."""
    incident = tx.incident(release.incident_id)
    if release.command_id or incident is None or incident.plan is None or incident.plan == release.plan:
        return release
    newer = under(release, incident.plan, first_gate(incident.plan, now))
    tx.save_release(newer)
    return newer


def _advance(tx: LedgerTx, release: Release, now: datetime) -> Sequence[Redrive]:
    match next_step(release, tx.members(release), now):
        case Send(count, canary, fresh):
            if canary:
                tx.save_release(after_canary_sent(release))
            return [_record(tx, release, stored, now) for stored in tx.held(release, count, fresh=fresh)]
        case Finish(state):
            finish(tx, replace(release, state=state), now)
    return []


def _record(tx: LedgerTx, release: Release, stored: StoredFailure, now: datetime) -> Redrive:
    number = stored.attempts + 1
    attempt = Attempt(
        id=derive("attempt", stored.failure.id, number),
        failure_id=stored.failure.id,
        task_id=stored.failure.task_id,
        incident_id=stored.incident_id,
        release_id=release.id,
        number=number,
        plan=str(release.plan.name),
        state=AttemptState.RECORDED,
        recorded_at=now,
        execution_id=release.plan.execution_id,
    )
    tx.add_attempt(attempt)
    tx.emit(attempt_recorded(attempt, now))
    return Redrive(attempt.id, stored.failure.message, release.plan.route)


def finish(tx: LedgerTx, release: Release, now: datetime) -> None:
    """End a release: its counts are told to the world and to the rules, and a person is asked where it failed."""
    ended = replace(release, ended_at=now, note=_why_failed(release))
    tx.save_release(ended)
    counts = tx.release_counts(release.id)
    tx.emit(release_ended(ended, counts, now))
    incident = tx.incident(release.incident_id)
    if incident is None:
        return
    succeeded = ended.state is ReleaseState.SUCCEEDED
    trigger = Trigger.RELEASE_SUCCEEDED if succeeded else Trigger.RELEASE_FAILED
    queue_trigger(tx, incident, trigger, release_payload(ended, incident, counts), now)
    if not succeeded and release.plan.redrives:
        _exhaust(tx, incident, ended, now)


def _why_failed(release: Release) -> str | None:
    if release.state is ReleaseState.SUCCEEDED:
        return None
    if not release.plan.redrives:
        return f"the plan {release.plan.name} took the place of the one that redrove"
    return f"{release.tries} canaries failed in a row"


def _exhaust(tx: LedgerTx, incident: Incident, release: Release, now: datetime) -> None:
    buried = tx.give_up(release)
    if release.command_id or incident.closed:
        close_if_recovered(tx, incident.id, now)
        return
    note = f"attempts exhausted: {release.note}; {buried} failures are listed as dead and wait for a person"
    state = after(incident.state, IncidentStep.WAIT)
    waiting = replace(incident, state=state, note=note, revision=incident.revision + 1)
    tx.save_incident(waiting)
    payload = incident_payload(waiting, first_failure(tx, waiting), release.tries)
    queue_trigger(tx, waiting, Trigger.ATTEMPTS_EXHAUSTED, payload, now)
