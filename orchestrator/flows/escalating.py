"""Escalating: each look takes up incidents that opened, and has alerts climb their ladders.

What an alert has told and the event that tells it are one commit: a page is neither lost nor told under another number.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from orchestrator.domain.alerts import Action, Alert, AlertState
from orchestrator.domain.climbing import GROWN, decide
from orchestrator.domain.ids import derive
from orchestrator.domain.incidents import Incident, Severity
from orchestrator.domain.ladders import Ladder
from orchestrator.flows.alert_facts import facts_of, look_again
from orchestrator.flows.telling import alert_changed, raised

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from orchestrator.domain.ladders import Watch
    from orchestrator.domain.ledger import Ledger, LedgerTx

# Of one that was never looked at.
EVER: Final = datetime(2000, 1, 1, tzinfo=UTC)
# Seconds between two looks; alerts and incidents that one look takes on: others write to the ledger in between.
IDLE: Final = 0.5
MOST: Final = 25
# For so long alerts wait at most while incidents come in faster than they are taken up.
PATIENCE: Final = timedelta(seconds=5)
BETWEEN_FORGETTING: Final = timedelta(hours=1)
MOST_FORGOTTEN: Final = 500
# How far back a look goes for incidents that opened: other orchestrators' clocks may be off by as much.
BACK: Final = timedelta(minutes=10)
# More than any alert has to do at one moment.
MOST_STEPS: Final = 5
# Incidents of one dependency that come so close behind each other are one outage.
ONE_OUTAGE: Final = timedelta(hours=1)
# Tasks of an incident whose calls are added up.
SAMPLE: Final = 200
# A call that failed was paid for before its incident opened, and not long before.
A_DAY: Final = timedelta(days=1)
CENT_OF_A_CENT: Final = Decimal("0.0001")


@dataclass(slots=True)
class Escalating:
    """Has alerts climb. `cost` adds up, in USD, what calls of these tasks cost since then; None where no price
    is known.
    """

    ledger: Ledger
    watch: Watch
    clock: Callable[[], datetime]
    cost: Callable[[Sequence[str], datetime], Decimal | None] = lambda _tasks, _since: None
    _since: datetime = field(default=EVER)
    _looked: datetime | None = None
    _forgot: datetime = field(default=EVER)

    def run_once(self) -> float:
        """Take up what is new and do what is due; seconds until the next look."""
        now = self.clock()
        taken = self._take_up(now)
        self._looked = self._looked or now
        if taken == MOST and now - self._looked < PATIENCE:
            return 0.0  # a storm comes in: it is told of once it is in
        self._looked = now
        if self._look(now) or taken:
            return 0.0
        self._since = max(self._since, now - BACK)
        if now - self._forgot >= BETWEEN_FORGETTING:
            return self._forget(now)
        return IDLE

    def _forget(self, now: datetime) -> float:
        """Forget incidents that retention has taken, a batch at a time."""
        with self.ledger.transaction() as tx:
            gone = tx.forget_gone(MOST_FORGOTTEN)
        if gone < MOST_FORGOTTEN:
            self._forgot = now
        return IDLE

    def _take_up(self, now: datetime) -> int:
        if self._since == EVER and self._looked is None:
            with self.ledger.transaction() as tx:
                tx.forget_untold()
        with self.ledger.reading() as tx:
            opened = tx.without_alert(self._since, MOST) or tx.untold_anew(MOST)
        if opened:
            with self.ledger.transaction() as tx:
                for incident in opened:
                    take_up(tx, incident, self.watch, now)
        return len(opened)

    def _look(self, now: datetime) -> int:
        """Have alerts climb that are due. What calls cost is asked before: the warehouse may take its time."""
        with self.ledger.reading() as tx:
            due = tx.due_alerts(now, MOST)
            tasks = self._samples(tx, due)
        if due:
            money = {alert_id: self._cost(found) for alert_id, found in tasks.items()}
            with self.ledger.transaction() as tx:
                for alert in due:
                    look(tx, tx.alert(alert.id) or alert, self.watch, now, money.get(alert.id))
        return len(due)

    def _samples(self, tx: LedgerTx, due: Sequence[Alert]) -> dict[UUID, list[tuple[Incident, list[str]]]]:
        """Give, for each alert whose ladder asks for money, its incidents' sizes with some tasks of each."""
        asking = [alert for alert in due if ladder_of(alert, self.watch).asks_for_money]
        return {
            alert.id: [(each, tx.tasks_of(each.id, SAMPLE)) for each in tx.members_of(alert.id)] for alert in asking
        }

    def _cost(self, found: Sequence[tuple[Incident, list[str]]]) -> Decimal | None:
        """Take what some tasks cost for what all of them do; incidents of which no cost is known add none."""
        known: list[Decimal] = []
        for incident, tasks in found:
            cost = self.cost(tasks, incident.opened_at - A_DAY) if tasks else None
            if cost is not None:
                known.append((cost * incident.size / len(tasks)).quantize(CENT_OF_A_CENT))
        return sum(known[1:], known[0]) if known else None


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


def look(tx: LedgerTx, alert: Alert, watch: Watch, now: datetime, money: Decimal | None = None) -> Alert:
    """Do all that an alert has to do now, each step with the event that tells it."""
    members, ladder = tx.members_of(alert.id), ladder_of(alert, watch)
    if not members:
        gone = replace(alert, state=AlertState.RESOLVED, next_at=None, resolved_at=alert.resolved_at or now)
        tx.save_alert(gone)
        return gone
    facts = facts_of(tx, alert, members, ladder, money)
    for _ in range(MOST_STEPS):
        step = decide(alert, facts, ladder, watch, now)
        alert = step.alert
        if step.action is None:
            break
        tx.emit(alert_changed(step, facts, members, now))
        if step.action is Action.TRIGGER:
            tx.audit(raised(step, facts, now))
    tx.save_alert(alert)
    grown = [alert.told.size * GROWN] if alert.told else []
    tx.note_looked(alert.id, look_again(alert, facts, members, ladder, grown))
    return alert
