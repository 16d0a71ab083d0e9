"""Taking up: an incident that opened gets its alert: one that goes on, one that it shares, or its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from orchestrator.domain.alerts import Alert, AlertState
from orchestrator.domain.ids import derive
from orchestrator.domain.incidents import Incident, Severity
from orchestrator.domain.ladders import Ladder

if TYPE_CHECKING:
    from orchestrator.domain.ladders import Watch
    from orchestrator.domain.ledger import LedgerTx

# How far back a look goes for incidents that opened: other orchestrators' clocks may be off by as much.
BACK: Final = timedelta(minutes=10)
# Incidents of one dependency that come so close behind each other are one outage.
ONE_OUTAGE: Final = timedelta(hours=1)


def ladder_of(alert: Alert, watch: Watch) -> Ladder:
    """Give an alert's ladder; the default where the settings do not have it any more."""
    return watch.ladders.get(alert.ladder) or watch.ladders.get(watch.default or "") or Ladder(alert.ladder, ())


def take_up(tx: LedgerTx, incident: Incident, watch: Watch, now: datetime) -> Alert | None:
    """Give an incident its alert: one that goes on, one that it shares, or its own; None where nobody is to be told."""
    known = tx.alert_of(incident.id)
    if known is not None:
        return known  # somebody has asked for it since the incident was read
    incident = tx.incident(incident.id) or incident
    ladder, severity = watch.meant_for(incident)
    if ladder is None or incident.closed:
        tx.tell_nobody(incident)
        return None
    if severity is not None and incident.severity is Severity.ERROR:
        # What a rule of the settings says holds until a person says otherwise.
        tx.save_incident(replace(incident, severity=severity))
    alert = _going_on(tx, incident, watch, now) or _shared(tx, incident, watch, now) or fresh(incident, ladder, now)
    tx.save_alert(alert)
    tx.join_alert(alert.id, incident.id)
    return alert


def fresh(incident: Incident, ladder: Ladder, now: datetime) -> Alert:
    """Begin an alert; its id is the incident's, so that the same one is never begun twice.

    One that has been open for long when it is seen first, since alerts were only just set up, climbs from now on.
    """
    return Alert(
        id=derive("alert", incident.id),
        ladder=ladder.name,
        began_at=incident.opened_at,
        climbs_from=incident.opened_at if incident.opened_at >= now - BACK else now,
        dependency=incident.dependency,
        severity=incident.severity,
        joined_at=now,
        next_at=now,
    )


def _going_on(tx: LedgerTx, incident: Incident, watch: Watch, now: datetime) -> Alert | None:
    """Give the alert of an incident that looked like this one and has only just ended."""
    known = tx.resolved_alert_like(incident, now - timedelta(seconds=watch.flapping))
    return replace(known.reopened_at(now), incidents=known.incidents + 1) if known else None


def _shared(tx: LedgerTx, incident: Incident, watch: Watch, now: datetime) -> Alert | None:
    """Give the open alert of the same dependency, where it was joined within the hour and speaks of this outage.

    Not one that somebody acknowledged long ago: they do not know of this, and its ladder is at rest.
    """
    if incident.dependency is None:
        return _of_nothing(tx, watch, now)
    known = tx.active_alert_on(incident.dependency)
    if known is None:
        return None
    near = now - (known.joined_at or known.began_at) <= max(ONE_OUTAGE, timedelta(seconds=watch.storm))
    answered = known.acknowledged_at if known.state is AlertState.ACKNOWLEDGED else None
    stale = answered is not None and now - answered > timedelta(seconds=watch.flapping)
    return known.joined_by_one(now) if near and not stale else None


def _of_nothing(tx: LedgerTx, watch: Watch, now: datetime) -> Alert | None:
    """Give the alert that incidents without a dependency share once too many of them come: perhaps a bad release."""
    lately = tx.alerts_on_nothing(now - timedelta(seconds=watch.storm), watch.storm_incidents)
    large = next((each for each in lately if each.incidents > 1), None)
    if large is None and len(lately) < watch.storm_incidents:
        return None
    return (large or lately[0]).joined_by_one(now)
