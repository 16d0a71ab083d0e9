"""The story of one failure: published, run, failed, classified, filed, decided, redriven, and how it stands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.attempts import IN_FLIGHT, Attempt, AttemptState
from orchestrator.domain.canvas import canvas_of, chord_note
from orchestrator.domain.failures import FailureState, Way
from orchestrator.domain.story import Step, Story, in_order
from orchestrator.flows.explaining.around import steps_around
from orchestrator.flows.explaining.decided import steps_of_decision, steps_of_release
from orchestrator.flows.explaining.recoveries import commanded
from orchestrator.flows.explaining.standing import now_of_failure
from orchestrator.flows.explaining.words import COMES_AGAIN, WAYS, at, cut, rule_of, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.domain.failures import Failure
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.release import Release
    from orchestrator.domain.standing import StoredFailure
    from orchestrator.flows.explaining.known import Known

# Redrives of one failure that are told one by one: the first and the last of them.
MOST_ATTEMPTS: Final = 200
LARGEST_TIMESTAMP: Final = 4_102_444_800  # the year 2100


def story_of_failure(tx: LedgerTx, stored: StoredFailure, known: Known) -> Story:
    """Tell the story of a failure, with what was decided for its incident and what it waits for."""
    failure, incident = stored.failure, tx.incident(stored.incident_id)
    attempts = tx.attempts_of(failure.id)
    steps = [*_of_the_run(failure, stored), *_filed(stored, incident)]
    if incident:
        steps += _decided(tx, stored, incident, attempts)
    steps += [step for each in attempts[-MOST_ATTEMPTS:] for step in _of_attempt(each)]
    steps += _closed(stored)
    return Story(
        about="failure",
        id=str(failure.id),
        title=f"{failure.task}, task {failure.task_id}",
        steps=in_order(steps),
        now=now_of_failure(tx, stored, incident, known),
        gone=tuple(_gone(stored, incident, attempts)),
    )


def _of_the_run(failure: Failure, stored: StoredFailure) -> Iterator[Step]:
    yield _published(failure)
    if failure.started_at:
        yield Step(failure.started_at, "run.started", f"run began on {failure.worker or 'a worker'}{_again(failure)}")
    comes = f"; {COMES_AGAIN}" if failure.redelivery else ""
    text = f"{failure.captured}: {WAYS[failure.captured]}{comes}; {_exception(failure)}"
    yield Step(failure.occurred_at, "run.failed", text, by=failure.worker or None)
    if stored.reports > 1:
        ways = ", ".join(stored.ways)
        yield Step(stored.last_seen_at, "failure.reported", f"{stored.reports} reports tell of it so far ({ways})")
    chord = chord_note([canvas_of(failure)])
    if chord:
        yield Step(failure.occurred_at, "canvas.failed", cut(chord))
    why, rule = rule_of(stored.why)
    yield Step(failure.occurred_at, "failure.classified", f"classified {stored.kind}: {cut(why)}", rule=rule)


def _exception(failure: Failure) -> str:
    facts = failure.exception
    answered = f" (answered {facts.status})" if facts.status else ""
    wait = f" (asked to wait {span(facts.retry_after)})" if facts.retry_after else ""
    return f"{facts.type}: {cut(facts.message, 200)}{answered}{wait}"


def _again(failure: Failure) -> str:
    return f", as try {failure.retries + 1} of Celery itself" if failure.retries else ""


def _published(failure: Failure) -> Step:
    message = failure.message
    headers, properties = message.headers, message.properties
    where = f"queue {message.queue}" if message.queue else message.routing_key or "a queue that nobody told"
    moment = _timestamp(properties)
    asked = [f"{name} {headers[name]}" for name in ("eta", "expires") if _shown(headers.get(name))]
    by = str(headers["origin"]) if _shown(headers.get("origin")) else None
    parts = [f"published to {where}", *([f"by {by}"] if by else []), *asked]
    untold = "" if moment else "; Celery notes no time of it"
    gone = " (the message never reached Redrive)" if message.missing else ""
    return Step(moment, "task.published", cut(f"{', '.join(parts)}{gone}{untold}"), by=by)


def _shown(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _timestamp(properties: Mapping[str, Any]) -> datetime | None:
    """Read the message's own time (AMQP's `timestamp`, in seconds), where its publisher set one."""
    value = properties.get("timestamp")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < LARGEST_TIMESTAMP:
        return None
    return datetime.fromtimestamp(value, UTC)


def _filed(stored: StoredFailure, incident: Incident | None) -> Iterator[Step]:
    if incident is None:
        return
    first = incident.first_failure_id == stored.failure.id
    leans = f", which leans on {incident.dependency}" if incident.dependency else ""
    if first:
        text = f"opened incident {incident.id}{leans}"
        yield Step(incident.opened_at, "incident.opened", text)
    else:
        others = f"one of {incident.size:,}"
        text = f"filed in incident {incident.id} ({others}){leans}"
        yield Step(max(stored.failure.occurred_at, incident.opened_at), "incident.joined", text)
    if stored.openings > 1:
        yield Step(stored.failure.occurred_at, "failure.reopened", f"opened again: failure number {stored.openings}")


def _decided(tx: LedgerTx, stored: StoredFailure, incident: Incident, attempts: list[Attempt]) -> Iterator[Step]:
    yield from steps_of_decision(tx, incident)
    mine = (None, stored.failure.id)
    took_part = {each.release_id for each in attempts} | {stored.command_release_id}
    releases = [each for each in tx.releases_of(incident.id) if each.id in took_part or _covers(each)]
    commands = [each for each in tx.commands_of(incident.id) if each.failure_id in mine]
    yield from commanded(tx, incident, commands, releases)
    for release in releases:
        yield from steps_of_release(tx, release)
    yield from steps_around(tx, incident)


def _covers(release: Release) -> bool:
    """Tell whether a release takes whatever its incident holds, and has not ended."""
    return not release.ended and release.command_id is None


def _of_attempt(attempt: Attempt) -> Iterator[Step]:
    name = f"redrive {attempt.number}"
    went = f"; {attempt.decision.note}" if attempt.decision else ""
    text = f"{name} ({attempt.plan}) recorded{_out(attempt)}{went}"
    yield Step(attempt.recorded_at, "attempt.recorded", text, execution_id=attempt.execution_id)
    if attempt.ended_at is None:
        return
    because = f": {cut(attempt.reason)}" if attempt.reason else ""
    twice = f"; it ran {attempt.duplicates + 1} times" if attempt.duplicates else ""
    ended = "failed; with what is not known yet" if attempt.state in IN_FLIGHT else _ENDED[attempt.state]
    yield Step(attempt.ended_at, "attempt.ended", f"{name} {ended}{because}{twice}")


def _out(attempt: Attempt) -> str:
    if attempt.published_at is None:
        return "; not known to be published" if attempt.ended_at else "; not published yet"
    return f" and published {span((attempt.published_at - attempt.recorded_at).total_seconds())} later"


_ENDED: Final = {
    AttemptState.SUCCEEDED: "succeeded",
    AttemptState.FAILED: "failed",
    AttemptState.LOST: "is lost: its outcome never came",
}


def _closed(stored: StoredFailure) -> Iterator[Step]:
    because = f": {cut(stored.reason)}" if stored.reason else ""
    if stored.pending_since:
        yield Step(stored.pending_since, "failure.pending", COMES_AGAIN)
    if stored.closed_at is None:
        return
    what = {
        FailureState.RECOVERED: "the failure is recovered",
        FailureState.DISCARDED: "the failure was discarded",
        FailureState.DEAD: "listed as dead; it waits for a person",
    }[stored.state]
    yield Step(stored.closed_at, f"failure.{stored.state}", f"{what}{because}{_without_redrive(stored)}")


def _without_redrive(stored: StoredFailure) -> str:
    redelivered = stored.state is FailureState.RECOVERED and not stored.tries and not stored.reason
    return ": its message was delivered again, and that run went well" if redelivered else ""


def _gone(stored: StoredFailure, incident: Incident | None, attempts: list[Attempt]) -> Iterator[str]:
    if stored.purged_at:
        yield f"retention took the message at {at(stored.purged_at)}, with all that it told of its publishing"
    if incident is None:
        yield f"incident {stored.incident_id} is not recorded any more"
    if len(attempts) > MOST_ATTEMPTS:
        yield f"the first {len(attempts) - MOST_ATTEMPTS:,} redrives are not told here"
    if stored.failure.captured is Way.ORPHANED:
        yield "the message never reached Redrive: nothing is known of how it was published"
