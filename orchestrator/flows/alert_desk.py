"""The desk of alerts: a person, or a workflow, says that somebody knows of one, or that somebody has to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from orchestrator.domain.commands import Command, CommandKind
from orchestrator.domain.errors import Conflict, NotFound
from orchestrator.flows.announcing import command_recorded
from orchestrator.flows.taking_up import fresh, ladder_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.alerts import Alert
    from orchestrator.domain.incidents import Incident, Severity
    from orchestrator.domain.ladders import Ladder, Watch
    from orchestrator.domain.ledger import LedgerTx

# A workflow gives its plan and then wakes somebody: so long both are one word.
ONE_WORD: Final = timedelta(seconds=60)
# So many incidents have a command each.
EACH: Final = 100
NOTHING_SET: Final = "expected a ladder of the settings, got none that is known; name it in [alerts] (docs/alerts.md)"


@dataclass(frozen=True, slots=True)
class Word:
    """Who says it, why, and when; `new_id` gives the id of each command that it makes."""

    actor: str
    reason: str
    at: datetime
    new_id: Callable[[], UUID]


@dataclass(frozen=True, slots=True)
class Asked:
    """What an escalation asks for: a ladder and a level by name, where not the ones that are next; a severity."""

    ladder: str | None = None
    level: str | None = None
    severity: Severity | None = None
    execution_id: str | None = None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What somebody's word on an alert has done: the incidents that are known now, and the commands that say so."""

    alert: Alert
    incident_ids: list[UUID]
    commands: list[Command]


def acknowledge_alert(tx: LedgerTx, alert_id: UUID, word: Word) -> Acknowledged:
    """Acknowledge every open incident of an alert; raises NotFound, and Conflict where nothing is left to be known.

    Each is a command; more than `EACH` are one, which holds up nobody else who writes to the ledger.
    """
    alert = tx.alert(alert_id)
    if alert is None:
        raise NotFound("alert", str(alert_id))
    waiting = [each for each in tx.members_of(alert_id) if not each.closed and alert.waits_for_word_on(each)]
    if not waiting:
        who = f"acknowledged by {alert.acknowledged_by}" if alert.acknowledged_by else str(alert.state)
        raise Conflict(f"expected an alert to acknowledge, got one that is {who}; see redrive alerts list")
    many = len(waiting) > EACH
    commands = (
        [_all_acknowledged(tx, alert, waiting, word)] if many else [_acknowledged(tx, each, word) for each in waiting]
    )
    after = replace(alert, next_at=word.at)
    tx.save_alert(after)
    return Acknowledged(after, [each.id for each in waiting], commands)


def _all_acknowledged(tx: LedgerTx, alert: Alert, waiting: Sequence[Incident], word: Word) -> Command:
    """Acknowledge the incidents of a large storm by one command, which names the alert and how many they are."""
    tx.acknowledge_incidents([each.id for each in waiting], word.actor, word.at)
    about = {"alert_id": str(alert.id), "incidents": len(waiting)}
    command = Command(
        id=word.new_id(),
        actor=word.actor,
        reason=word.reason,
        created_at=word.at,
        kind=CommandKind.ACKNOWLEDGE,
        dependency=alert.dependency,
        before=about | {"acknowledged_by": None, "acknowledged_at": None},
        after=about | {"acknowledged_by": word.actor, "acknowledged_at": word.at.isoformat()},
    )
    tx.add_command(command)
    tx.emit(command_recorded(command, None, word.at))
    return command


def _acknowledged(tx: LedgerTx, incident: Incident, word: Word) -> Command:
    after = replace(incident, acknowledged_by=word.actor, acknowledged_at=word.at).changed()
    tx.save_incident(after)
    return _recorded(tx, incident, after, word, CommandKind.ACKNOWLEDGE)


def escalate(tx: LedgerTx, incident_id: UUID, asked: Asked, word: Word, watch: Watch) -> tuple[Alert, Command]:
    """Have the next level of an incident's alert told now, or the one that is asked for; whoever sleeps is woken.

    An acknowledgement and a snooze are taken back. Raises NotFound; Conflict for an incident that is closed, a ladder
    that is not known, and a level that was told already.
    """
    incident = tx.incident(incident_id)
    if incident is None:
        raise NotFound("incident", str(incident_id))
    if incident.closed:
        raise Conflict(f"expected an incident that is open, got one that is {incident.state}; nobody is to be woken")
    known = tx.alert_of(incident_id)
    ladder = _ladder(asked, known, incident, watch)
    alert = known or fresh(incident, ladder, word.at)
    if alert.ladder != ladder.name:
        alert = replace(alert, ladder=ladder.name, level=0, climbs_from=word.at)
    if not _told_by_its_plan(asked, alert, incident, word):
        alert = replace(alert, asked_level=_level(asked, alert, ladder))
    alert = replace(alert, next_at=word.at)
    after = replace(incident, severity=asked.severity or incident.severity, snoozed_until=None)
    after = replace(after, acknowledged_by=None, acknowledged_at=None).changed()
    tx.save_incident(after)
    tx.save_alert(alert)
    if known is None:
        tx.join_alert(alert.id, incident_id)
    level = max(alert.asked_level, alert.level)
    more = {"ladder": alert.ladder, "level": level, "execution_id": asked.execution_id}
    return alert, _recorded(tx, incident, after, word, CommandKind.ESCALATE, more)


def _told_by_its_plan(asked: Asked, alert: Alert, incident: Incident, word: Word) -> bool:
    """Tell whether this is the word of a workflow whose plan to escalate has just had a level told: one is enough."""
    plan = incident.plan
    if asked.execution_id is None or plan is None or plan.execution_id != asked.execution_id or asked.level:
        return False
    return bool(alert.level and alert.raised and word.at - alert.raised[-1].at <= ONE_WORD)


def _ladder(asked: Asked, known: Alert | None, incident: Incident, watch: Watch) -> Ladder:
    if asked.ladder is not None:
        if asked.ladder not in watch.ladders:
            names = ", ".join(watch.ladders) or "none"
            raise Conflict(f"expected a ladder of the settings ({names}), got {asked.ladder!r}; see docs/alerts.md")
        return watch.ladders[asked.ladder]
    meant = ladder_of(known, watch) if known else watch.meant_for(incident)[0]
    found = meant or watch.ladders.get(watch.default or "")
    if found is None or not found.levels:
        raise Conflict(NOTHING_SET)
    return found


def _level(asked: Asked, alert: Alert, ladder: Ladder) -> int:
    names = [level.name for level in ladder.levels]
    if asked.level is not None and asked.level not in names:
        raise Conflict(f"expected a level of the ladder {ladder.name} ({', '.join(names)}), got {asked.level[:40]!r}")
    level = names.index(asked.level) + 1 if asked.level is not None else alert.level + 1
    if level <= alert.level or level > len(names):
        raise Conflict(
            f"expected a level that was not told yet, got an alert that told {alert.level} of {len(names)} levels of "
            f"the ladder {ladder.name}; name another ladder"
        )
    return level


def _recorded(  # noqa: PLR0913, PLR0917 - what was, what is, and who says so
    tx: LedgerTx,
    before: Incident,
    after: Incident,
    word: Word,
    kind: CommandKind,
    more: dict[str, object] | None = None,
) -> Command:
    command = Command(
        id=word.new_id(),
        actor=word.actor,
        reason=word.reason,
        created_at=word.at,
        kind=kind,
        incident_id=before.id,
        dependency=before.dependency,
        before=_standing(before),
        after=_standing(after) | (more or {}),
    )
    tx.add_command(command)
    tx.emit(command_recorded(command, after, word.at))
    return command


def _standing(incident: Incident) -> dict[str, object]:
    at, snoozed = incident.acknowledged_at, incident.snoozed_until
    return {
        "acknowledged_by": incident.acknowledged_by,
        "acknowledged_at": at.isoformat() if at else None,
        "snoozed_until": snoozed.isoformat() if snoozed else None,
        "severity": str(incident.severity),
        "revision": incident.revision,
    }
