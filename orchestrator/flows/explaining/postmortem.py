"""Putting a postmortem together from what is recorded of an incident; what nobody recorded is said to be missing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from orchestrator.domain.commands import CommandKind
from orchestrator.domain.postmortem import Detection, Money, Postmortem, Sample, Tried
from orchestrator.flows.explaining.incidents import story_of_incident
from orchestrator.flows.explaining.lessons import follow_ups, gaps, worked

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.flows.explaining.known import Known

# Tasks whose calls are added up; the oldest of the incident.
MOST_TASKS: Final = 10_000
TRACEBACK_LINES: Final = 12
LONGEST_LINE: Final = 300
# What somebody, or a rule, decided; the rest of the timeline is what came of it.
DECIDED: Final = ("plan.", "command.", "trigger.", "incident.acknowledged", "incident.exhausted", "dependency.held")


def postmortem_of(tx: LedgerTx, incident: Incident, known: Known, money: Money | None) -> Postmortem:
    """Write the postmortem of an incident, as far as it has come."""
    story = story_of_incident(tx, incident, known)
    failures, tried = tx.failure_sums(incident.id, known.now), _tried(tx, incident)
    bare = Postmortem(
        incident_id=incident.id,
        written_at=known.now,
        signature=incident.signature,
        task=incident.task,
        kind=str(incident.kind),
        why=incident.why,
        state=str(incident.state),
        severity=str(incident.severity),
        note=incident.note,
        dependency=incident.dependency,
        owner=incident.owner,
        size=incident.size,
        seconds=((incident.closed_at or known.now) - incident.opened_at).total_seconds(),
        held_seconds=_held(tx, incident, known.now),
        failures=failures,
        detection=_detection(tx, incident, failures.first_at),
        tried=tried,
        money=money,
        sample=_sample(tx, incident),
        decisions=tuple(each for each in story.steps if each.what.startswith(DECIDED)),
        timeline=story.steps,
        gone=story.gone,
    )
    return _with_lessons(tx, incident, bare, known)


def _with_lessons(tx: LedgerTx, incident: Incident, bare: Postmortem, known: Known) -> Postmortem:
    return replace(
        bare,
        worked=tuple(worked(tx, incident, bare)),
        gaps=tuple(gaps(tx, incident, bare)),
        follow_ups=tuple(follow_ups(tx, incident, bare, known)),
    )


def tasks_asked_about(tx: LedgerTx, incident: Incident) -> list[str]:
    """Give the tasks whose calls are to be added up, each once."""
    return list(dict.fromkeys(tx.tasks_of(incident.id, MOST_TASKS)))


def _detection(tx: LedgerTx, incident: Incident, first_at: datetime | None) -> Detection:
    alert = tx.alert_of(incident.id)
    alerted_at = min((each.at for each in alert.raised), default=None) if alert else None
    known_at, by = incident.acknowledged_at, incident.acknowledged_by
    if known_at is None and alert and alert.acknowledged_at:
        known_at, by = alert.acknowledged_at, alert.acknowledged_by
    opened = incident.opened_at

    def since_opened(moment: datetime | None) -> float | None:
        return max(0.0, (moment - opened).total_seconds()) if moment else None

    return Detection(
        first_failure_at=first_at,
        opened_at=opened,
        told_at=incident.told_at,
        alerted_at=alerted_at,
        acknowledged_at=known_at,
        acknowledged_by=by,
        closed_at=incident.closed_at,
        seconds_to_detect=max(0.0, (opened - first_at).total_seconds()) if first_at else None,
        seconds_to_tell=since_opened(alerted_at),
        seconds_to_acknowledge=since_opened(known_at),
        seconds_to_resolve=since_opened(incident.closed_at),
    )


def _tried(tx: LedgerTx, incident: Incident) -> Tried:
    """Add up what releases count, which holds after retention too, and what the rows still tell beside it."""
    counts = [tx.release_counts(each.id) for each in tx.releases_of(incident.id)]
    sums = tx.attempt_sums(incident.id)
    return Tried(
        first_attempts=sum(each.first_attempts for each in counts),
        first_successes=sum(each.first_successes for each in counts),
        attempts=sum(each.attempts for each in counts),
        successes=sum(each.successes for each in counts),
        duplicates=sums.duplicates,
        by_plan=sums.by_plan,
    )


def _held(tx: LedgerTx, incident: Incident, now: datetime) -> float:
    """Add up for how many seconds people held the incident itself."""
    seconds, since = 0.0, None
    for command in tx.commands_of(incident.id):
        if command.kind is CommandKind.HOLD:
            since = since or command.created_at
        elif command.kind is CommandKind.RELEASE and since:
            seconds, since = seconds + (command.created_at - since).total_seconds(), None
    return seconds + ((incident.closed_at or now) - since).total_seconds() if since else seconds


def _sample(tx: LedgerTx, incident: Incident) -> Sample | None:
    stored = tx.failure(incident.first_failure_id)
    if stored is None:
        return None
    failure, facts = stored.failure, stored.failure.exception
    lines = facts.traceback.rstrip().splitlines()[-TRACEBACK_LINES:]
    end = "\n".join(line[:LONGEST_LINE] for line in lines)
    return Sample(failure.task, failure.task_id, str(failure.captured), facts.type, facts.message, end)
