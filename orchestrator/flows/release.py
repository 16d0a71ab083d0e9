"""Release: planned failures go out again, canary first. Each attempt is recorded, published, noted as published."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.domain.attempts import Attempt, AttemptState
from orchestrator.domain.commands import Mode
from orchestrator.domain.errors import DependencyUnreachable, Unroutable
from orchestrator.domain.ids import derive
from orchestrator.domain.incidents import IncidentStep, Trigger, after, incident_payload
from orchestrator.domain.moment import Moment
from orchestrator.domain.release import (
    Finish,
    Release,
    ReleaseState,
    Send,
    after_canary_sent,
    next_step,
    release_payload,
)
from orchestrator.failpoints import hit
from orchestrator.flows.announcing import attempt_recorded, release_ended
from orchestrator.flows.outcomes import record_outcome
from orchestrator.flows.recovery import open_releases
from orchestrator.flows.triggers import queue_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.failures import TaskMessage
    from orchestrator.domain.ledger import Ledger, LedgerTx, StoredFailure
    from orchestrator.domain.plan import Route
    from orchestrator.domain.ports import Redriver


@dataclass(frozen=True, slots=True)
class Redrive:
    """One message to be published: the work that is left after an attempt was recorded."""

    attempt_id: UUID
    message: TaskMessage
    route: Route | None


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
        now = self.clock()
        redrives = self._decide(now)
        published = [each.attempt_id for each in redrives if self._publish(each)]
        if published:
            with self.ledger.transaction() as tx:
                tx.mark_published(published, self.clock())
        return len(published)

    def _decide(self, now: datetime) -> list[Redrive]:
        redrives: list[Redrive] = []
        with self.ledger.transaction() as tx:
            if (tx.mode() or self.default_mode) is not Mode.ACT:
                return []
            open_releases(tx, now)
            for release in tx.active_releases():
                redrives.extend(self._advance(tx, release, now))
        if redrives:
            hit("attempt_recorded")
        return redrives

    def _advance(self, tx: LedgerTx, release: Release, now: datetime) -> Sequence[Redrive]:
        match next_step(release, tx.members(release), now):
            case Send(count, canary):
                if canary:
                    tx.save_release(after_canary_sent(release))
                return [_record(tx, release, stored, now) for stored in tx.held(release, count)]
            case Finish(state):
                note = None if state is ReleaseState.SUCCEEDED else f"{release.tries} canaries failed"
                finish(tx, replace(release, state=state, note=note), now)
        return []

    def _publish(self, redrive: Redrive) -> bool:
        try:
            self.redriver.publish(redrive.message, redrive.attempt_id, redrive.route)
        except DependencyUnreachable:
            return False  # stays recorded: the reconciler publishes it under the same attempt once the bus is back
        except Unroutable as error:
            self._give_up(redrive.attempt_id, str(error))
            return False
        hit("task_published")
        return True

    def _give_up(self, attempt_id: UUID, reason: str) -> None:
        with self.ledger.transaction() as tx:
            record_outcome(tx, attempt_id, Moment(self.clock(), self.jitter()), failed_with=reason)


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
    ended = replace(release, ended_at=now)
    tx.save_release(ended)
    counts = tx.release_counts(release.id)
    tx.emit(release_ended(ended, counts, now))
    incident = tx.incident(release.incident_id)
    if incident is None:
        return
    succeeded = ended.state is ReleaseState.SUCCEEDED
    trigger = Trigger.RELEASE_SUCCEEDED if succeeded else Trigger.RELEASE_FAILED
    queue_trigger(tx, incident, trigger, release_payload(ended, incident, counts), now)
    if not succeeded:
        _exhaust(tx, ended, now)


def _exhaust(tx: LedgerTx, release: Release, now: datetime) -> None:
    buried = tx.give_up(release)
    incident = tx.incident(release.incident_id)
    if incident is None or incident.closed or release.command_id is not None:
        return
    note = f"attempts exhausted: {release.note}; {buried} failures are listed as dead and wait for a person"
    state = after(incident.state, IncidentStep.WAIT)
    waiting = replace(incident, state=state, note=note, revision=incident.revision + 1)
    tx.save_incident(waiting)
    queue_trigger(tx, waiting, Trigger.ATTEMPTS_EXHAUSTED, incident_payload(waiting, {}, release.tries), now)
