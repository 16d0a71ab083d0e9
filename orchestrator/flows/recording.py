"""Recording: what each report of a failure changes in the ledger. A failure is taken in once, and never dropped."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from orchestrator.domain.attempts import IN_FLIGHT, Attempt, Outcome
from orchestrator.domain.classify import Case, judge
from orchestrator.domain.dependencies import Health, Policies
from orchestrator.domain.eligibility import refusal_of
from orchestrator.domain.failures import FailureState, Kind, Way
from orchestrator.domain.standing import (
    Report,
    StoredFailure,
    begins_anew,
    merged,
    moved,
    opened_again,
    poisoned,
    taken_in,
)
from orchestrator.flows.health import of_failure, retry_at_of
from orchestrator.flows.joining import find_incident, joined, leave, left_by, reclassify
from orchestrator.flows.outcomes import close_if_recovered, record_outcome
from orchestrator.flows.ramps import BAD
from orchestrator.flows.triggers import tell_failure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

    from orchestrator.domain.classify import OwnRule
    from orchestrator.domain.failures import Failure
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.moment import Moment
    from orchestrator.flows.health import Sighting

BEYOND_RETRY: Final = frozenset({Kind.PERMANENT, Kind.POISON})
EXPIRED: Final = (
    "expected a task that may still run, got one that expired, which a worker would drop again; "
    "send the task again yourself, or discard the failure"
)


@dataclass(frozen=True, slots=True)
class Recorder:
    """What the operator's settings add to what failures tell: name patterns of tasks that may run twice, whether there
    are keys that open sealed messages, name patterns of tasks with the dependency that each leans on, rules of what
    kind a failure is, and of how many failures of one signature users' rules are told in a minute.
    """

    idempotent_patterns: tuple[str, ...] = ()
    keys_known: bool = False
    dependency_patterns: tuple[tuple[str, str], ...] = ()
    own_rules: tuple[OwnRule, ...] = ()
    policies: Policies = field(default_factory=Policies)
    task_failed_per_minute: int = 0

    def dependency_of(self, task: str, declared: str | None) -> str | None:
        """Name what a task leans on: what was declared where it runs, else what the first pattern that fits names."""
        return declared or _first_fit(self.dependency_patterns, task)

    def leaning(self, failure: Failure, data: Mapping[str, Any]) -> tuple[Failure, Mapping[str, Any]]:
        """Give a failure and its event's data with the dependency of the settings, where its task declares none."""
        named = self.dependency_of(failure.task, failure.declaration.dependency)
        if named == failure.declaration.dependency:
            return failure, data
        declaration = {**(data.get("declaration") or {}), "dependency": named}
        leaning = replace(failure, declaration=replace(failure.declaration, dependency=named))
        return leaning, {**data, "declaration": declaration}

    def may_run_twice(self, failure: Failure) -> bool:
        """Tell whether the task was declared idempotent, on itself or by a name pattern in the settings."""
        return failure.declaration.idempotent or any(
            fnmatchcase(failure.task, each) for each in self.idempotent_patterns
        )

    def report(self, failure: Failure, data: Mapping[str, Any], now: datetime) -> Report:
        """Make of a failure event what the ledger goes by."""
        expired = failure.captured is Way.EXPIRED
        return Report(
            failure=failure,
            data=data,
            verdict=judge(Case.of(failure), self.own_rules),
            idempotent=self.may_run_twice(failure),
            refusal=EXPIRED if expired else refusal_of(failure.message, keys_known=self.keys_known),
            now=now,
        )


@lru_cache(maxsize=10_000)
def _first_fit(patterns: tuple[tuple[str, str], ...], task: str) -> str | None:
    return next((name for pattern, name in patterns if fnmatchcase(task, pattern)), None)


def record_failure(
    tx: LedgerTx, recorder: Recorder, failure: Failure, data: Mapping[str, Any], moment: Moment
) -> Sighting | None:
    """Take a report in: of a redriven run, it is an outcome; of a failure that is known, further evidence.

    A failure that had closed, and whose task has run and failed again since, is opened again. Gives what a run that
    nobody redrove tells of its dependency.
    """
    if not tx.first_sight(failure.event_id, failure.id, failure.attempt_id, moment.at):
        return None
    failure, data = recorder.leaning(failure, data)
    attempt = tx.attempt(failure.attempt_id) if failure.attempt_id else None
    report, stored = recorder.report(failure, data, moment.at), tx.failure(failure.id)
    if attempt:
        _end_attempt(tx, attempt, report, moment)
        return None
    if stored is None:
        _tell(tx, recorder, _take_in(tx, _in_the_light(tx, report)))
    elif begins_anew(stored, failure):
        _tell(tx, recorder, _open_again(tx, stored, _in_the_light(tx, report)))
    else:
        _add(tx, stored, report)
        return None
    return of_failure(failure, report.verdict, moment.at, recorder.policies)


def _tell(tx: LedgerTx, recorder: Recorder, taken: tuple[StoredFailure, Report]) -> None:
    """Tell users' rules of a failure that is new, as the settings want it, and that is not over already."""
    stored, report = taken
    incident = tx.incident(stored.incident_id) if recorder.task_failed_per_minute and stored.open else None
    if incident is not None:
        tell_failure(tx, incident, report, recorder.task_failed_per_minute)


def _in_the_light(tx: LedgerTx, report: Report) -> Report:
    """Call by its name what fails because its dependency is known to be down."""
    name, verdict = report.failure.declaration.dependency, report.verdict
    if name is None or verdict.kind is not Kind.TRANSIENT:
        return report
    dependency = tx.dependency(name)
    if dependency is None or dependency.health is not Health.DOWN:
        return report
    why = f"{verdict.why}; {name} is down: {dependency.why}"
    return replace(report, verdict=replace(verdict, kind=Kind.DEPENDENCY_DOWN, why=why))


def _end_attempt(tx: LedgerTx, attempt: Attempt, report: Report, moment: Moment) -> None:
    failure = report.failure
    if failure.redelivery and attempt.state in IN_FLIGHT:
        tx.mark_published([attempt.id], moment.at)  # it ran: whoever published it may have died before noting that
        stored = tx.failure(attempt.failure_id)
        if stored and stored.state is FailureState.RELEASED:
            tx.save_failure(moved(stored, FailureState.REDELIVERY_PENDING, moment.at))
        return
    reason = f"{failure.exception.type}: {failure.exception.message[:200]}"
    outcome = Outcome(
        failed_with=reason,
        again=False,
        ended_at=failure.occurred_at,
        kind=report.verdict.kind,
        retry_at=retry_at_of(failure, report.verdict.kind),
    )
    record_outcome(tx, attempt.id, outcome, moment)
    _quarantine(tx, attempt, failure, moment.at)
    _file_elsewhere(tx, attempt, report)


def _file_elsewhere(tx: LedgerTx, attempt: Attempt, report: Report) -> None:
    """File a failure under what its redrive has shown: what speaks of the task leaves those that wait for another."""
    stored = tx.failure(attempt.failure_id)
    kind = report.verdict.kind
    if stored is None or stored.state is not FailureState.HELD or attempt.number != stored.attempts:
        return
    if not _leaves(stored, kind):
        return
    failure = replace(stored.failure, exception=report.failure.exception, captured=report.failure.captured)
    _fail_again(tx, replace(stored, failure=failure, kind=kind, why=report.verdict.why), report)


def _leaves(stored: StoredFailure, kind: Kind) -> bool:
    """Tell whether a failure belongs elsewhere by what its redrive has shown; what a person asked for stays."""
    if stored.command_release_id or kind in BAD or stored.kind in BEYOND_RETRY:
        return False
    return kind in BEYOND_RETRY or stored.kind in BAD


def _quarantine(tx: LedgerTx, attempt: Attempt, failure: Failure, now: datetime) -> None:
    stored = tx.failure(attempt.failure_id)
    if stored is None or stored.state is not FailureState.HELD or attempt.number != stored.attempts:
        return
    dead = poisoned(stored, failure.captured, now)
    if dead:
        tx.save_failure(dead)
        close_if_recovered(tx, dead.incident_id, now)


def _take_in(tx: LedgerTx, report: Report) -> tuple[StoredFailure, Report]:
    incident = find_incident(tx, report)
    stored = taken_in(report, incident.id, tx.redelivered(report.failure.id))
    tx.add_failure(stored)
    joined(tx, incident, stored, report)
    return stored, report


def _open_again(tx: LedgerTx, stored: StoredFailure, report: Report) -> tuple[StoredFailure, Report]:
    incident = find_incident(tx, report)
    again = opened_again(stored, report, incident.id, tx.redelivered(report.failure.id))
    tx.forget_opening(stored)
    tx.save_failure(again)
    joined(tx, incident, again, report)
    if stored.incident_id != incident.id:
        left_by(tx, stored.incident_id)
        close_if_recovered(tx, stored.incident_id, report.now)
    return again, report


def _add(tx: LedgerTx, stored: StoredFailure, report: Report) -> None:
    told = merged(stored, replace(report, in_flight=_in_flight(tx, stored)))
    if stored.awaited and told.state is not stored.state:
        _fail_again(tx, told, report)
        return
    tx.save_failure(told)
    incident = tx.incident(told.incident_id)
    if incident and (told.kind, told.state) != (stored.kind, stored.state):
        reclassify(tx, incident, report.verdict, report.now)


def _fail_again(tx: LedgerTx, told: StoredFailure, report: Report) -> None:
    """File what the broker's redelivery brought as what it is: its incident is the one for failures of that look."""
    incident = find_incident(tx, report)
    tx.save_failure(replace(told, incident_id=incident.id))
    leave(tx, told.incident_id, report.now)
    joined(tx, tx.incident(incident.id) or incident, told, report)


def _in_flight(tx: LedgerTx, stored: StoredFailure) -> bool:
    return stored.tries > 0 and any(each.state in IN_FLIGHT for each in tx.attempts_of(stored.failure.id))
