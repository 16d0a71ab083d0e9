"""Telling: an alert's step as the event that targets deliver, with all that whoever is woken needs to begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventbus.wire import ALERT_CHANGED, Event
from orchestrator.domain.auditing import REDRIVE, Deed, Origin
from orchestrator.domain.ids import derive
from orchestrator.flows.announcing import SOURCE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from orchestrator.domain.alerts import Facts, Step
    from orchestrator.domain.incidents import Incident

# What the audit calls it.
RAISE: Final = "raise_alert"
MOST_NAMED: Final = 20
# Characters of what may be long: a task's name, a signature, a reason.
LONGEST: Final = 200


def alert_changed(step: Step, facts: Facts, members: Sequence[Incident], now: datetime) -> Event:
    """Give the event of a step; the same step of an alert has the same id, however often it is told."""
    alert, largest = step.alert, facts.largest
    data = {
        "alert_id": str(alert.id),
        "dedup_key": alert.key,
        "number": alert.events,
        "action": str(step.action),
        "state": str(alert.state),
        "ladder": alert.ladder,
        "level": alert.level,
        "level_name": alert.raised[-1].name if alert.level else None,
        "severity": str(alert.severity),
        "targets": list(step.targets),
        "title": title_of(step, facts),
        "text": _text(step, facts),
        "reason": step.why,
        "commands": commands_of(step, facts),
        "incident_id": str(largest.id),
        "incident_ids": [str(each.id) for each in members[:MOST_NAMED]],
        "incidents": facts.incidents,
        "open": facts.open,
        "size": facts.size,
        "dependency": largest.dependency,
        "task": largest.task,
        "kind": str(largest.kind),
        "signature": largest.signature,
        "began_at": alert.began_at.isoformat(),
        "usd_cost": None if facts.money is None else f"{facts.money:f}",
        "acknowledged_by": alert.acknowledged_by,
        "reopened": alert.reopened,
    }
    event_id = str(derive(ALERT_CHANGED, alert.id, alert.events))
    extensions = {"traceparent": largest.context.traceparent}
    return Event(id=event_id, source=SOURCE, type=ALERT_CHANGED, time=now, data=data, extensions=extensions)


def raised(step: Step, facts: Facts, now: datetime) -> Deed:
    """Give the deed that a page is: whom the orchestrator has woken, by which ladder, and why."""
    alert = step.alert
    told = {"alert_id": str(alert.id), "ladder": alert.ladder, "level": alert.level, "targets": list(step.targets)}
    return Deed(
        id=derive("audit", alert.id, alert.events),
        at=now,
        actor=REDRIVE,
        origin=Origin.REDRIVE,
        verb=RAISE,
        reason=step.why,
        incident_id=facts.largest.id,
        dependency=facts.largest.dependency,
        after=told,
    )


def title_of(step: Step, facts: Facts) -> str:
    """Say in one line what it is about, the same for as long as the alert lasts but for the numbers."""
    alert, largest = step.alert, facts.largest
    word = "RESOLVED" if alert.resolved_at else str(alert.severity).upper()
    where = f"{_short(largest.dependency)}: " if largest.dependency else ""
    if facts.incidents > 1:
        return f"[{word}] {where}{facts.incidents:,} incidents, {facts.size:,} failures"
    return f"[{word}] {where}{_failures(facts.size)} of {_short(largest.task)}"


def commands_of(step: Step, facts: Facts) -> list[str]:
    """Give what to type next."""
    show = f"redrive incidents show {facts.largest.id}"
    if step.alert.resolved_at:
        return [f"redrive postmortem {facts.largest.id}"]
    return [show, f"redrive alerts acknowledge {step.alert.id} --reason '...' --yes"]


def _text(step: Step, facts: Facts) -> str:
    return "\n".join(line for line in _lines(step, facts) if line)


def _lines(step: Step, facts: Facts) -> list[str]:
    alert, largest = step.alert, facts.largest
    lines = [step.why, f"{_failures(largest.size)} of {_short(largest.task)}: {_short(largest.why)}"]
    if facts.incidents > 1:
        lines[1] = f"{facts.incidents:,} incidents, {facts.open:,} of them open; the largest: {lines[1]}"
    return [
        *lines,
        f"looks like: {_short(largest.signature)}",
        f"dependency: {_short(largest.dependency)} is {facts.health or 'unknown'}" if largest.dependency else "",
        f"what goes on: {_short(largest.note or (largest.plan.reason if largest.plan else 'no plan yet'))}",
        f"cost so far: USD {facts.money:f}" if facts.money is not None else "",
        f"began: {alert.began_at:%Y-%m-%d %H:%M:%S} UTC",
    ]


def _failures(number: int) -> str:
    return "1 failure" if number == 1 else f"{number:,} failures"


def _short(text: str | None) -> str:
    """Give a text of others as part of one line."""
    line = " ".join((text or "").split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
