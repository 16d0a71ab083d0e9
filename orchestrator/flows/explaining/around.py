"""Steps around an incident that belong to no single failure: its dependency, holds, who took it on, alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.domain.auditing import AuditQuery
from orchestrator.domain.commands import CommandKind
from orchestrator.domain.dependencies import Health
from orchestrator.domain.story import Step
from orchestrator.flows.explaining.words import cut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.domain.auditing import AuditEntry
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx

# Holds of a dependency that are looked through, and as many releases: the newest.
LOOKED_AT = 50
HOLDS = (CommandKind.HOLD, CommandKind.RELEASE)


_BECAME: Final = {
    Health.DOWN: "went down",
    Health.SUSPECT: "became suspect",
    Health.RECOVERING: "began to recover",
}


def steps_around(tx: LedgerTx, incident: Incident) -> Iterator[Step]:
    """Tell how the dependency went since, who held it, and who took the incident on."""
    yield from _dependency(tx, incident)
    yield from _alerts(tx, incident)
    told = [each.created_at for each in tx.commands_of(incident.id)]
    if incident.acknowledged_at and incident.acknowledged_at not in told:
        by = incident.acknowledged_by
        yield Step(incident.acknowledged_at, "incident.acknowledged", f"acknowledged by {by}", by=by)


def _alerts(tx: LedgerTx, incident: Incident) -> Iterator[Step]:
    """Tell of the alert that tells of the incident: each level once, who answered, when it was over."""
    alert = tx.alert_of(incident.id)
    if alert is None:
        return
    of = f" (it tells of {alert.incidents:,} incidents)" if alert.incidents > 1 else ""
    for raised in alert.raised:
        text = f"alert: level {raised.level} ({raised.name}) of ladder {alert.ladder} told{of}"
        yield Step(raised.at, "alert.raised", text, by="redrive")
    if alert.acknowledged_at:
        by = alert.acknowledged_by
        yield Step(alert.acknowledged_at, "alert.acknowledged", f"alert acknowledged by {by}", by=by)
    if alert.resolved_at:
        yield Step(alert.resolved_at, "alert.resolved", "alert resolved")


def _dependency(tx: LedgerTx, incident: Incident) -> Iterator[Step]:
    """Tell how the dependency went while the incident was open: what came after its end is another one's story."""
    dependency = tx.dependency(incident.dependency) if incident.dependency else None
    if dependency is None:
        return
    if dependency.since and incident.opened_at <= dependency.since <= (incident.closed_at or dependency.since):
        became = _BECAME.get(dependency.health, "is healthy again")
        yield Step(dependency.since, "dependency.changed", f"{dependency.name} {became}: {cut(dependency.why)}")
    for entry in _holds(tx, incident, dependency.name):
        what = "held" if entry.verb == CommandKind.HOLD else "released"
        done = "held" if what == "held" else "let go"
        text = f"{dependency.name} was {done} by {entry.actor}: {cut(entry.reason)}"
        yield Step(entry.at, f"dependency.{what}", text, entry.actor)


def _holds(tx: LedgerTx, incident: Incident, dependency: str) -> list[AuditEntry]:
    """List the last holds and releases of a dependency, and of nothing less, while an incident was open."""
    found = []
    for kind in HOLDS:
        within = AuditQuery(dependency=dependency, verb=kind, since=incident.opened_at, until=incident.closed_at)
        found += [each for each in tx.audited(within, LOOKED_AT) if each.incident_id is None]
    return sorted(found, key=lambda each: each.seq)
