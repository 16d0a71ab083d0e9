"""The ledger's rows of alerts: who is told of what, and who has answered."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, case, delete, func, or_, select, update

from orchestrator.domain.alerting import AlertTallies, Took
from orchestrator.domain.alerts import ACTIVE, Alert, AlertState, Raised, Told
from orchestrator.domain.attempts import AttemptState
from orchestrator.domain.incidents import Severity
from orchestrator.ledger.alert_schema import alert_incidents, alert_pages, alerts
from orchestrator.ledger.codec import incident_value
from orchestrator.ledger.rows import Rows
from orchestrator.ledger.schema import attempts, failures, incidents, releases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import ColumnElement, Row

    from orchestrator.domain.incidents import Incident

NOT_OVER = tuple(str(state) for state in ACTIVE)

NOTED = {"revision": "seen", "look_again_size": "size", "closed": "over"}


class AlertingRows(Rows):
    """The verbs on alerts: who is told of what, and who has answered."""

    def alert(self, alert_id: UUID) -> Alert | None:
        """Look an alert up."""
        return self._first(alerts.c.id == alert_id)

    def alert_of(self, incident_id: UUID) -> Alert | None:
        """Give the alert that tells of an incident, whatever its state."""
        about = select(alert_incidents.c.alert_id).where(alert_incidents.c.incident_id == incident_id)
        return self._first(alerts.c.id.in_(about))

    def _first(self, where: ColumnElement[bool]) -> Alert | None:
        query = select(alerts).where(where).order_by(alerts.c.began_at.desc(), alerts.c.id).limit(1)
        row = self._reading.execute(query).one_or_none()
        return _alert(row) if row else None

    def alerts(self, states: Sequence[AlertState], limit: int, after: UUID | None = None) -> list[Alert]:
        """List alerts in these states (all when empty), newest first, behind the one with the id `after`."""
        query = select(alerts).order_by(alerts.c.began_at.desc(), alerts.c.id.desc()).limit(limit)
        if states:
            query = query.where(alerts.c.state.in_([str(state) for state in states]))
        last = self.alert(after) if after else None
        if last:
            same = and_(alerts.c.began_at == last.began_at, alerts.c.id < last.id)
            query = query.where(or_(alerts.c.began_at < last.began_at, same))
        return [_alert(row) for row in self._reading.execute(query)]

    def save_alert(self, alert: Alert) -> None:
        """Store an alert, in the place of what was; each level that was told keeps a row of its own."""
        self._upsert(alerts, "id", _alert_row(alert))
        for number, each in enumerate(alert.raised, 1):
            row = {"alert_id": alert.id, "number": number, "name": each.name, "at": each.at}
            self._insert_new(alert_pages, row, forget=False)

    def join_alert(self, alert_id: UUID, incident_id: UUID) -> None:
        """Have an alert tell of an incident from now on."""
        row = {"incident_id": incident_id, "alert_id": alert_id, "revision": 0, "look_again_size": 0, "closed": False}
        self._upsert(alert_incidents, "incident_id", row)

    def tell_nobody(self, incident: Incident) -> None:
        """Note that nobody is to be told of an incident as it is now."""
        row = {"incident_id": incident.id, "alert_id": None, "revision": incident.revision, "look_again_size": 0}
        self._upsert(alert_incidents, "incident_id", row | {"closed": incident.closed})

    def untold_anew(self, limit: int) -> list[Incident]:
        """List incidents of which nobody is to be told and that have changed since that was seen, or are over."""
        table = alert_incidents.c
        changed = or_(incidents.c.revision != table.revision, incidents.c.closed_at.is_not(None))
        query = (
            select(incidents)
            .join(alert_incidents, table.incident_id == incidents.c.id)
            .where(table.alert_id.is_(None), table.closed.is_(False), changed)
            .order_by(incidents.c.opened_at, incidents.c.id)
            .limit(limit)
        )
        return [incident_value(row) for row in self._reading.execute(query)]

    def forget_untold(self) -> None:
        """Forget which open incidents nobody is to be told of: the settings may say otherwise now."""
        table = alert_incidents.c
        self._reading.execute(delete(alert_incidents).where(table.alert_id.is_(None), table.closed.is_(False)))

    def members_of(self, alert_id: UUID) -> list[Incident]:
        """List the incidents that an alert tells of, oldest first."""
        query = (
            select(incidents)
            .join(alert_incidents, alert_incidents.c.incident_id == incidents.c.id)
            .where(alert_incidents.c.alert_id == alert_id)
            .order_by(incidents.c.opened_at, incidents.c.id)
        )
        return [incident_value(row) for row in self._reading.execute(query)]

    def note_looked(self, alert_id: UUID, look_again: Mapping[UUID, tuple[int, int, bool]]) -> None:
        """Note of each incident the revision that was seen, the size to look again at, and whether it is over."""
        table = alert_incidents.c
        query = select(table.incident_id, table.revision, table.look_again_size, table.closed)
        found = self._reading.execute(query.where(table.alert_id == alert_id))
        known = {row.incident_id: (row.revision, row.look_again_size, row.closed) for row in found}
        changed = [
            {"its_id": incident_id, "seen": seen[0], "size": seen[1], "over": seen[2]}
            for incident_id, seen in look_again.items()
            if known.get(incident_id, seen) != seen
        ]
        if changed:
            statement = update(alert_incidents).where(table.incident_id == bindparam("its_id"))
            values: dict[str, Any] = {name: bindparam(given) for name, given in NOTED.items()}
            self._reading.execute(statement.values(values), changed)

    def forget_gone(self, limit: int) -> int:
        """Forget which alerts told of incidents that retention has taken, at most so many; gives their number."""
        table = alert_incidents.c
        there = select(incidents.c.id).where(incidents.c.id == table.incident_id)
        gone = select(table.incident_id).where(table.closed.is_(True), ~there.exists()).limit(limit)
        keys = list(self._reading.execute(gone).scalars())
        if keys:
            self._reading.execute(delete(alert_incidents).where(table.incident_id.in_(keys)))
        return len(keys)

    def due_alerts(self, now: datetime, limit: int) -> list[Alert]:
        """List the alerts that are to be looked at: their time has come, or something of an incident has changed."""
        changed = (
            select(alert_incidents.c.alert_id)
            .join(incidents, incidents.c.id == alert_incidents.c.incident_id)
            .where(
                alert_incidents.c.alert_id.is_not(None),
                alert_incidents.c.closed.is_(False),
                or_(
                    incidents.c.revision != alert_incidents.c.revision,
                    incidents.c.size >= alert_incidents.c.look_again_size,
                    incidents.c.closed_at.is_not(None),
                ),
            )
        )
        due = select(alerts.c.id).where(alerts.c.next_at <= now)
        query = select(alerts).where(alerts.c.id.in_(due.union(changed))).order_by(alerts.c.began_at).limit(limit)
        return [_alert(row) for row in self._reading.execute(query)]

    def without_alert(self, opened_since: datetime, limit: int) -> list[Incident]:
        """List the open incidents, opened since then, that no alert tells of; the oldest first."""
        known = select(alert_incidents.c.incident_id).where(alert_incidents.c.incident_id == incidents.c.id)
        query = (
            select(incidents)
            .where(incidents.c.opened_at >= opened_since, incidents.c.closed_at.is_(None), ~known.exists())
            .order_by(incidents.c.opened_at, incidents.c.id)
            .limit(limit)
        )
        return [incident_value(row) for row in self._reading.execute(query)]

    def active_alert_on(self, dependency: str) -> Alert | None:
        """Give the newest alert on a dependency that is not resolved."""
        return self._first(and_(alerts.c.dependency == dependency, alerts.c.state.in_(NOT_OVER)))

    def alerts_on_nothing(self, joined_since: datetime, limit: int) -> list[Alert]:
        """List alerts on no dependency that are not resolved and were joined since then, the newest first."""
        lately = and_(alerts.c.dependency.is_(None), alerts.c.state.in_(NOT_OVER), alerts.c.joined_at >= joined_since)
        query = select(alerts).where(lately).order_by(alerts.c.joined_at.desc(), alerts.c.id).limit(limit)
        return [_alert(row) for row in self._reading.execute(query)]

    def resolved_alert_like(self, incident: Incident, since: datetime) -> Alert | None:
        """Give the alert, resolved since then, of an incident that looked like this one."""
        alike = (
            select(alert_incidents.c.alert_id)
            .join(incidents, incidents.c.id == alert_incidents.c.incident_id)
            .where(
                incidents.c.signature == incident.signature, incidents.c.dependency_key == (incident.dependency or "")
            )
        )
        over = and_(alerts.c.state == str(AlertState.RESOLVED), alerts.c.resolved_at >= since)
        return self._first(and_(over, alerts.c.id.in_(alike)))

    def failed_attempts(self, incident_ids: Sequence[UUID], most: int) -> int:
        """Count the redrives of these incidents that failed, up to `most`."""
        theirs = select(releases.c.id).where(releases.c.incident_id.in_(incident_ids))
        failed = and_(attempts.c.release_id.in_(theirs), attempts.c.state == str(AttemptState.FAILED))
        some = select(attempts.c.id).where(failed).limit(most).subquery()
        return self._reading.execute(select(func.count()).select_from(some)).scalar_one()

    def tasks_of(self, incident_id: UUID, limit: int) -> list[str]:
        """Give the ids of some tasks of an incident, the oldest."""
        query = select(failures.c.task_id).where(failures.c.incident_id == incident_id)
        return list(self._reading.execute(query.order_by(failures.c.occurred_at).limit(limit)).scalars())

    def alert_tallies(self) -> AlertTallies:
        """Count what metrics show of alerts."""
        states = select(alerts.c.state, func.count()).group_by(alerts.c.state)
        pages = select(alert_pages.c.name, func.count()).group_by(alert_pages.c.name)
        return AlertTallies(
            {row[0]: row[1] for row in self._reading.execute(states)},
            {row[0]: row[1] for row in self._reading.execute(pages)},
            self._took(alerts.c.seconds_to_acknowledge),
            self._took(alerts.c.seconds_to_resolve),
        )

    def _took(self, seconds: ColumnElement[float]) -> Took:
        known = func.sum(case((seconds.is_not(None), 1), else_=0))
        row = self._reading.execute(select(known, func.sum(seconds))).one()
        return Took(row[0] or 0, row[1] or 0.0)


def _alert_row(alert: Alert) -> dict[str, Any]:
    row = {name: getattr(alert, name) for name in Alert.__slots__}
    told = alert.told
    return row | {
        "state": str(alert.state),
        "severity": str(alert.severity),
        "raised": [asdict(each) | {"at": each.at.isoformat()} for each in alert.raised],
        "targets": list(alert.targets),
        "owed": list(alert.owed),
        "told": asdict(told) | {"state": str(told.state), "severity": str(told.severity), "at": told.at.isoformat()}
        if told
        else None,
    }


def _alert(row: Row[Any]) -> Alert:
    values = {name: getattr(row, name) for name in Alert.__slots__}
    told = row.told
    return Alert(
        **values
        | {
            "state": AlertState(row.state),
            "severity": Severity(row.severity),
            "raised": tuple(Raised(**each | {"at": datetime.fromisoformat(each["at"])}) for each in row.raised),
            "targets": tuple(row.targets),
            "owed": tuple(row.owed),
            "told": _told(told) if told else None,
        }
    )


def _told(document: dict[str, Any]) -> Told:
    read = {"state": AlertState(document["state"]), "at": datetime.fromisoformat(document["at"])}
    return Told(**document | read | {"severity": Severity(document["severity"])})
