"""Ladders, alerts and what is known of them, for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson

from eventbus.wire import ALERT_CHANGED
from orchestrator.domain.alerts import Alert, Facts
from orchestrator.domain.incidents import IncidentState, Severity
from orchestrator.domain.ladders import Ladder, Level, Watch
from orchestrator.flows.escalating import Escalating
from orchestrator.ledger.sql import SqlLedger
from tests import recovery

if TYPE_CHECKING:
    from uuid import UUID

    from orchestrator.domain.incidents import Incident

NIGHT = datetime(2026, 11, 25, 3, tzinfo=UTC)
CHAT, PHONE, BOSS = (
    Level("chat", ("slack",)),
    Level("phone", ("pager",), unanswered=600, size=1_000),
    Level("boss", ("mail", "pager"), after=3600),
)
LADDER = Ladder("night", (CHAT, PHONE, BOSS))
WATCH = Watch({"night": LADDER}, "night", update_every=60)


def alert(**changes: Any) -> Alert:
    """Make an alert that has told nobody."""
    made = Alert(id=uuid4(), ladder="night", began_at=NIGHT, climbs_from=NIGHT, dependency="model")
    return replace(made, **changes)


def facts(**changes: Any) -> Facts:
    """Make what is known of one incident that has just opened."""
    largest = recovery.incident(opened_at=NIGHT)
    return replace(Facts(largest, 1, 1, 1, Severity.ERROR, "down"), **changes)


class Desk:
    """A ledger with a clock of its own, and whoever looks at it."""

    def __init__(self, watch: Watch = WATCH, ledger: SqlLedger | None = None) -> None:
        self.now = NIGHT
        self.ledger = ledger or SqlLedger.in_memory()
        self.watch = watch
        self.escalating = Escalating(self.ledger, watch, lambda: self.now)

    def open(self, **changes: Any) -> Incident:
        """Open an incident now."""
        made = recovery.incident(opened_at=self.now, **changes)
        with self.ledger.transaction() as tx:
            assert tx.add_incident(made)
        return made

    def change(self, incident_id: UUID, **changes: Any) -> None:
        """Change an incident as intake does where it only grows, else as a person does."""
        with self.ledger.transaction() as tx:
            known = tx.incident(incident_id)
            assert known is not None
            tx.save_incident(replace(known if changes.keys() == {"size"} else known.changed(), **changes))

    def close(self, incident_id: UUID) -> None:
        """Have an incident recover now."""
        self.change(incident_id, state=IncidentState.RECOVERED, closed_at=self.now)

    def look(self, seconds: float = 0) -> None:
        """Let time pass, and look until nothing is left to do."""
        self.now += timedelta(seconds=seconds)
        while self.escalating.run_once() == 0.0:
            pass

    def told(self) -> list[dict[str, Any]]:
        """Give what targets were told, oldest first."""
        with self.ledger.reading() as tx:
            events = [event for _, event in tx.outbox(10_000)]
        return [dict(orjson.loads(orjson.dumps(each["data"]))) for each in events if each["type"] == ALERT_CHANGED]

    def steps(self) -> list[tuple[str, int, list[str]]]:
        """Give of what was told the action, the level and the targets."""
        return [(each["action"], each["level"], each["targets"]) for each in self.told()]
