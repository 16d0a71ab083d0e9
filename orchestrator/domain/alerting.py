"""The port of the ledger, as far as it knows alerts: who is told of what, and who has answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.alerts import Alert, AlertState
    from orchestrator.domain.incidents import Incident


@dataclass(frozen=True, slots=True)
class Took:
    """How many alerts were answered, or ended, and the seconds that all of them took together."""

    count: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class AlertTallies:
    """Alerts in numbers, counted from the rows: by state, pages by the name of the level, and how long they took."""

    states: Mapping[str, int] = field(default_factory=dict)
    pages: Mapping[str, int] = field(default_factory=dict)
    acknowledged: Took = Took()
    resolved: Took = Took()


class AlertingTx(Protocol):
    """What a transaction on the ledger can do for alerts: who is told of what, and who has answered."""

    def alert(self, alert_id: UUID) -> Alert | None:
        """Look an alert up."""

    def alert_of(self, incident_id: UUID) -> Alert | None:
        """Give the alert that tells of an incident, whatever its state."""

    def alerts(self, states: Sequence[AlertState], limit: int, after: UUID | None = None) -> list[Alert]:
        """List alerts in these states (all when empty), newest first, behind the one with the id `after`."""

    def save_alert(self, alert: Alert) -> None:
        """Store an alert, in the place of what was."""

    def join_alert(self, alert_id: UUID, incident_id: UUID) -> None:
        """Have an alert tell of an incident from now on."""

    def tell_nobody(self, incident: Incident) -> None:
        """Note that nobody is to be told of an incident as it is now."""

    def untold_anew(self, limit: int) -> list[Incident]:
        """List incidents of which nobody is to be told and that have changed since that was seen, or are over."""

    def forget_untold(self) -> None:
        """Forget which open incidents nobody is to be told of: the settings may say otherwise now."""

    def members_of(self, alert_id: UUID) -> list[Incident]:
        """List the incidents that an alert tells of, oldest first."""

    def note_looked(self, alert_id: UUID, look_again: Mapping[UUID, tuple[int, int, bool]]) -> None:
        """Note of each incident the revision that was seen, the size to look again at, and whether it is over."""

    def forget_gone(self, limit: int) -> int:
        """Forget which alerts told of incidents that retention has taken, at most so many; gives their number."""

    def due_alerts(self, now: datetime, limit: int) -> list[Alert]:
        """List the alerts that are to be looked at: their time has come, or something of an incident has changed."""

    def without_alert(self, opened_since: datetime, limit: int) -> list[Incident]:
        """List the open incidents, opened since then, that nobody has looked at yet; the oldest first."""

    def active_alert_on(self, dependency: str) -> Alert | None:
        """Give the newest alert on a dependency that is not resolved."""

    def alerts_on_nothing(self, joined_since: datetime, limit: int) -> list[Alert]:
        """List alerts on no dependency that are not resolved and were joined since then, the newest first."""

    def resolved_alert_like(self, incident: Incident, since: datetime) -> Alert | None:
        """Give the alert, resolved since then, of an incident that looked like this one."""

    def failed_attempts(self, incident_ids: Sequence[UUID], most: int) -> int:
        """Count the redrives of these incidents that failed, up to `most`."""

    def tasks_of(self, incident_id: UUID, limit: int) -> list[str]:
        """Give the ids of some tasks of an incident, the oldest."""

    def alert_tallies(self) -> AlertTallies:
        """Count what metrics show of alerts."""
