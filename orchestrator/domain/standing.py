"""How a failure stands: what is known of it from all its reports, and what each further report or ending changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.failures import OPEN_FAILURES, Declaration, Failure, FailureState, Kind, Way

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.classify import Verdict

# Who knows more of how a run ended goes before who knows less: whoever finds that a run is gone, whoever saw its
# process die, who was told to stop, who saw why; and the broker, when it has given a message up.
KNOWS: Final = {
    Way.ORPHANED: 0,
    Way.WORKER_KILLED: 1,
    Way.CHILD_KILLED: 2,
    Way.COLD_SHUTDOWN: 3,
    Way.DELIVERY_LIMIT: 5,
}
KNOWS_WHY: Final = 4
# A run that ends its own process; a worker that is told to stop takes the innocent with it.
KILLS: Final = frozenset({Way.CHILD_KILLED, Way.WORKER_KILLED, Way.SYSTEM_EXIT})
LOSSES: Final = frozenset({Way.ORPHANED, Way.WORKER_KILLED, Way.CHILD_KILLED})


@dataclass(frozen=True, slots=True)
class StoredFailure:
    """A failure with its place in the ledger.

    `ways` are those it was reported as, first one first; `reports` counts the events that told of it, the last at
    `last_seen_at`. `began_at` is when the newest of its runs began. A failure that had closed and fails again is opened
    again: `openings` counts that. `attempts` counts all redrives recorded for it, of which `attempts_before` belong to
    former openings. `counted_as` is the kind under which this opening is counted for good. `reason` says why it is
    dead; `purged_at`, when retention took its body.
    """

    failure: Failure
    incident_id: UUID
    kind: Kind
    state: FailureState
    idempotent: bool
    why: str
    ways: tuple[Way, ...]
    last_seen_at: datetime
    began_at: datetime
    counted_as: Kind
    attempts: int = 0
    command_release_id: UUID | None = None
    reports: int = 1
    pending_since: datetime | None = None
    closed_at: datetime | None = None
    reason: str | None = None
    openings: int = 1
    attempts_before: int = 0
    purged_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Tell whether it is neither recovered nor discarded nor dead."""
        return self.state in OPEN_FAILURES

    @property
    def awaited(self) -> bool:
        """Tell whether a redelivery is waited for, or was given up without it."""
        given_up = self.state is FailureState.DEAD and self.pending_since is not None
        return given_up or self.state is FailureState.REDELIVERY_PENDING

    @property
    def tries(self) -> int:
        """Count the redrives of this opening."""
        return self.attempts - self.attempts_before


@dataclass(frozen=True, slots=True)
class Report:
    """One event that tells of a failure, its `data`, and what was made of it: the verdict, whether its task may run
    twice, and why its message cannot be redriven, where it cannot; `now` is when it was taken in. `in_flight` says that
    a redrive of the failure is under way.
    """

    failure: Failure
    data: Mapping[str, Any]
    verdict: Verdict
    idempotent: bool
    refusal: str | None
    now: datetime
    in_flight: bool = False


def taken_in(report: Report, incident_id: UUID, redelivered_at: datetime | None) -> StoredFailure:
    """File a failure that was not known; `redelivered_at` is when a redelivered run of it ended well, if one did."""
    failure = report.failure
    over = redelivered_at if redelivered_at and failure.began_at <= redelivered_at else None
    stored = StoredFailure(
        failure=failure,
        incident_id=incident_id,
        kind=report.verdict.kind,
        state=FailureState.HELD,
        idempotent=report.idempotent,
        why=report.verdict.told,
        ways=(failure.captured,),
        last_seen_at=report.now,
        began_at=failure.began_at,
        counted_as=report.verdict.kind,
    )
    if over:
        return moved(stored, FailureState.RECOVERED, over)
    return moved(stored, _state_of(report), report.now, report.refusal)


def opened_again(
    stored: StoredFailure, report: Report, incident_id: UUID, redelivered_at: datetime | None
) -> StoredFailure:
    """Open a failure again whose task has failed after it had closed: as new, but for its attempts and its history."""
    again = taken_in(report, incident_id, redelivered_at)
    return replace(
        again,
        attempts=stored.attempts,
        attempts_before=stored.attempts,
        openings=stored.openings + 1,
        reports=stored.reports + 1,
        ways=_with(stored.ways, report.failure.captured),
    )


def _state_of(report: Report) -> FailureState:
    if report.failure.redelivery:
        return FailureState.REDELIVERY_PENDING
    return FailureState.DEAD if report.refusal else FailureState.HELD


def moved(stored: StoredFailure, state: FailureState, now: datetime, reason: str | None = None) -> StoredFailure:
    """Move a failure to a state: what is closed has the time of it, what is dead the reason, what is pending its age.

    What closes is nobody's any more. One that is given up while it is pending keeps since when it was: what the broker
    brings in the end is heard all the same.
    """
    closed = state not in OPEN_FAILURES
    pending = state is FailureState.REDELIVERY_PENDING
    waited = stored.pending_since if state is FailureState.DEAD else None
    return replace(
        stored,
        state=state,
        closed_at=now if closed else None,
        reason=reason if state is FailureState.DEAD else None,
        pending_since=now if pending else waited,
        command_release_id=None if closed else stored.command_release_id,
    )


def poisoned(stored: StoredFailure, captured: Way, now: datetime) -> StoredFailure | None:
    """Quarantine a task that has killed its worker a second time, when it was redriven for the first; None for others.

    A person may still replay it.
    """
    if stored.kind is not Kind.WORKER_LOST or captured not in KILLS or stored.failure.captured not in KILLS:
        return None
    why = f"its worker was lost again when it was redriven ({captured})"
    return replace(moved(stored, FailureState.DEAD, now, why), kind=Kind.POISON, why=why)


def begins_anew(stored: StoredFailure, failure: Failure) -> bool:
    """Tell whether a run that failed is another one than those that closed with this failure: it began afterwards."""
    if stored.open or stored.closed_at is None:
        return False
    return failure.began_at > max(stored.closed_at, stored.began_at)


def ended_by_redelivery(stored: StoredFailure, ended_at: datetime) -> bool:
    """Tell whether a redelivered run that ended well recovers a failure.

    One that waits for it, in any case: were it another run's message that the broker still holds, that will be told of.
    Any other that is not over, where its newest failed run had begun before.
    """
    if stored.state is FailureState.REDELIVERY_PENDING:
        return True
    return (stored.open or stored.state is FailureState.DEAD) and stored.began_at <= ended_at


def merged(stored: StoredFailure, report: Report) -> StoredFailure:
    """Add a further report of a failure: it is counted, and may know more of the way, bring the message, move it."""
    told = _with_facts(stored, report)
    seen = replace(
        told,
        ways=_with(stored.ways, report.failure.captured),
        reports=stored.reports + 1,
        last_seen_at=report.now,
        began_at=max(stored.began_at, report.failure.began_at),
    )
    state = _next_state(stored, report)
    reason = report.refusal if state is FailureState.DEAD else None
    return seen if state is None else moved(seen, state, report.now, reason)


def _with_facts(stored: StoredFailure, report: Report) -> StoredFailure:
    failure, told = stored.failure, report.failure
    if failure.message.missing and not told.message.missing:
        brought = replace(failure, message=told.message, task=told.task)
        brought = replace(brought, organization=told.organization, arguments=told.arguments)
        stored = _declared(replace(stored, failure=brought), report)
    if not knows_more(stored, told):
        return stored
    failure = replace(
        stored.failure,
        captured=told.captured,
        exception=told.exception,
        worker=told.worker or failure.worker,
        started_at=told.started_at or failure.started_at,
    )
    return _declared(replace(stored, failure=failure, kind=report.verdict.kind, why=report.verdict.told), report)


def _declared(stored: StoredFailure, report: Report) -> StoredFailure:
    declaration = report.failure.declaration
    if declaration == Declaration():
        return stored  # whoever reads what is left of a worker knows of no declarations
    failure = replace(stored.failure, declaration=declaration)
    return replace(stored, failure=failure, idempotent=report.idempotent)


def knows_more(stored: StoredFailure, told: Failure) -> bool:
    """Tell whether a report says more of how the run ended than those before it; of equals the later run's does.

    One that only knows of a loss never goes before one that knows why.
    """
    known, new = _rank(stored.failure.captured), _rank(told.captured)
    return new > known or (new == known and new >= KNOWS_WHY and told.began_at > stored.began_at)


def _rank(way: Way) -> int:
    return KNOWS.get(way, KNOWS_WHY)


def _next_state(stored: StoredFailure, report: Report) -> FailureState | None:
    told, later = report.failure, report.failure.began_at > stored.began_at
    if stored.awaited and not told.redelivery and not report.in_flight and _ends_pending(stored, told):
        return FailureState.DEAD if report.refusal else FailureState.HELD
    if stored.state is FailureState.DEAD:
        brought = stored.failure.message.missing and not told.message.missing and not report.refusal
        return FailureState.HELD if brought else None
    if not stored.open or report.in_flight:
        return None
    untouched = stored.state is FailureState.HELD and _same_run(stored, told)
    return FailureState.REDELIVERY_PENDING if told.redelivery and (later or untouched) else None


def _ends_pending(stored: StoredFailure, told: Failure) -> bool:
    # Whoever only knows that a run is gone may mean the one that the broker holds, and who tells of that very run does;
    # a run that is seen to have begun after it is another. What the broker gives up, it holds no more.
    if told.captured is Way.DELIVERY_LIMIT:
        return True
    if told.captured in LOSSES:
        return told.started_at is not None and told.began_at > stored.began_at
    return not _same_run(stored, told)


def _same_run(stored: StoredFailure, told: Failure) -> bool:
    """Tell whether a report is of the newest run that is known: child, main process and journal say when it began."""
    return told.started_at is not None and told.started_at == stored.began_at


def _with(ways: tuple[Way, ...], way: Way) -> tuple[Way, ...]:
    return ways if way in ways else (*ways, way)
