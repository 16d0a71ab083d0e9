"""Steps around an incident that belong to no single failure: its dependency, holds, who took it on, alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.domain.commands import CommandKind
from orchestrator.domain.dependencies import Health
from orchestrator.domain.story import Step
from orchestrator.flows.explaining.words import cut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx

# Commands about a dependency that are looked through for holds: the newest.
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
    dependency = tx.dependency(incident.dependency) if incident.dependency else None
    if dependency is None:
        return
    if dependency.since and dependency.since >= incident.opened_at and dependency.health is not Health.HEALTHY:
        text = f"{dependency.name} {_BECAME[dependency.health]}: {cut(dependency.why)}"
        yield Step(dependency.since, "dependency.changed", text)
    if dependency.since and dependency.health is Health.HEALTHY and dependency.since >= incident.opened_at:
        yield Step(dependency.since, "dependency.changed", f"{dependency.name} is healthy again: {cut(dependency.why)}")
    for command in reversed(tx.commands_about(dependency.name, LOOKED_AT)):
        after_it = command.created_at >= incident.opened_at and incident.id != command.incident_id
        if command.kind in HOLDS and command.incident_id is None and after_it:
            done, what = ("held", "held") if command.kind is CommandKind.HOLD else ("let go", "released")
            text = f"{dependency.name} was {done} by {command.actor}: {cut(command.reason)}"
            yield Step(command.created_at, f"dependency.{what}", text, command.actor)
