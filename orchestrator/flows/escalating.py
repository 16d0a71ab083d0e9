"""Escalating: each look takes up incidents that opened, and has alerts climb their ladders.

What an alert has told and the event that tells it are one commit: a page is neither lost nor told under another number.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from orchestrator.domain.alert_reasons import GROWN
from orchestrator.domain.alerts import Action, Alert, AlertState
from orchestrator.domain.climbing import decide
from orchestrator.flows.alert_facts import facts_of, look_again
from orchestrator.flows.alert_prices import Prices, sampled
from orchestrator.flows.taking_up import BACK, ladder_of, take_up
from orchestrator.flows.telling import alert_changed, raised

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from decimal import Decimal
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
# More than any alert has to do at one moment.
MOST_STEPS: Final = 5


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
    _prices: Prices = field(default_factory=Prices)

    def run_once(self) -> float:
        """Take up what is new and do what is due; seconds until the next look."""
        now = self.clock()
        taken = self._take_up(now)
        self._looked = self._looked or now
        if taken == MOST and now - self._looked < PATIENCE:
            return 0.0  # a storm comes in: it is told of once it is in
        self._looked = now
        looked = self._look(now)
        if self._ask(now) or looked or taken:
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
        """Have alerts climb that are due, by what is known of their costs."""
        with self.ledger.reading() as tx:
            due = tx.due_alerts(now, MOST)
        if due:
            self._climb([each.id for each in due], now)
        for each in due:
            if ladder_of(each, self.watch).asks_for_money:
                self._prices.want(each.id, now)
        return len(due)

    def _climb(self, alert_ids: Sequence[UUID], now: datetime) -> None:
        with self.ledger.transaction() as tx:
            for alert_id in alert_ids:
                alert = tx.alert(alert_id)
                if alert is not None:
                    look(tx, alert, self.watch, now, self._prices.of(alert_id))

    def _ask(self, now: datetime) -> bool:
        """Ask what one alert costs, and have it climb by that: no page waits for more than one answer."""
        alert_id = self._prices.next()
        if alert_id is None:
            return False
        with self.ledger.reading() as tx:
            tasks, since = sampled(tx, alert_id)
        self._prices.note(alert_id, self.cost(tasks, since) if tasks else None, len(tasks), now)
        self._climb([alert_id], now)
        return True


def look(tx: LedgerTx, alert: Alert, watch: Watch, now: datetime, price: Decimal | None = None) -> Alert:
    """Do all that an alert has to do now, each step with the event that tells it; `price` is USD for a failure."""
    members, ladder = tx.members_of(alert.id), ladder_of(alert, watch)
    if not members:
        gone = replace(alert, state=AlertState.RESOLVED, next_at=None, resolved_at=alert.resolved_at or now)
        tx.save_alert(gone)
        return gone
    facts = facts_of(tx, alert, members, ladder, price)
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
