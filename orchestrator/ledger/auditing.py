"""The ledger's rows of the audit, which grows and is never changed."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from orchestrator.domain.auditing import NO_HASH, AuditEntry, AuditQuery, Deed, Origin, audit_recorded, sealed
from orchestrator.ledger.audit_schema import audit
from orchestrator.ledger.outbox import OutboxRows
from orchestrator.ledger.schema import dispatches

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import ColumnElement, Row

NAMES = tuple(each.name for each in fields(AuditEntry))


class AuditingRows(OutboxRows):
    """The verbs on the audit, which grows and is never changed.

    The chain needs no lock of its own: one transaction writes to the ledger at a time, on SQLite by BEGIN IMMEDIATE and
    on PostgreSQL by the advisory lock that each takes at its beginning (sql.py), until it has committed. So the newest
    entry that an append reads is the newest one there is, and no two entries follow the same one. Were that ever not
    so, the second would meet the key of the first, and its transaction would fail whole.
    """

    def audit(self, deed: Deed) -> AuditEntry:
        """Append a deed to the chain, and emit it as an event."""
        (entry,) = self.audit_all([deed])
        return entry

    def audit_all(self, deeds: Sequence[Deed]) -> list[AuditEntry]:
        """Append deeds to the chain, in their order and however many, and emit each as an event."""
        newest = select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)
        last = self._plain.execute(newest).one_or_none()
        seq, former = (last.seq + 1, last.hash) if last else (1, NO_HASH)
        entries: list[AuditEntry] = []
        for number, deed in enumerate(deeds, seq):
            about = deed.incident_id and self._kept.incidents.look_up(self._plain, deed.incident_id)
            entries.append(sealed(deed, number, about.revision if about else None, former))
            former = entries[-1].hash
        if entries:
            self._plain.execute(insert(audit), [_row(each) for each in entries])
        for each in entries:
            self.emit(audit_recorded(each))
        return entries

    def audited(self, query: AuditQuery, limit: int, before: int | None = None) -> list[AuditEntry]:
        """List entries, newest first, those before the one with the number `before`."""
        found = select(audit).where(*_conditions(query)).order_by(audit.c.seq.desc()).limit(limit)
        if before is not None:
            found = found.where(audit.c.seq < before)
        return [_entry(row) for row in self._plain.execute(found)]

    def audit_from(self, after: int, limit: int) -> list[AuditEntry]:
        """List entries in the order of the chain, behind the one with the number `after`."""
        found = select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(limit)
        return [_entry(row) for row in self._plain.execute(found)]

    def audit_entry(self, seq: int) -> AuditEntry | None:
        """Look an entry up by its number."""
        row = self._plain.execute(select(audit).where(audit.c.seq == seq)).one_or_none()
        return _entry(row) if row else None

    def audit_hashes(self, seqs: Collection[int]) -> Mapping[int, str]:
        """Give the hashes of entries by their numbers; those that are not there are left out."""
        query = select(audit.c.seq, audit.c.hash).where(audit.c.seq.in_(sorted(set(seqs))))
        return {row.seq: row.hash for row in self._plain.execute(query)} if seqs else {}

    def changes_of(self, incident_id: UUID, revision: int, limit: int) -> list[AuditEntry]:
        """List the newest entries that left an incident at a later revision than this one, newest first."""
        later = select(audit).where(audit.c.incident_id == incident_id, audit.c.revision > revision)
        return [_entry(row) for row in self._plain.execute(later.order_by(audit.c.seq.desc()).limit(limit))]

    def rule_of(self, incident_id: UUID, execution_id: str) -> str | None:
        """Name the rule whose execution this is, where the incident's triggers know it by now."""
        query = select(dispatches.c.rules, dispatches.c.execution_ids).where(dispatches.c.incident_id == incident_id)
        for row in self._plain.execute(query):
            if execution_id in row.execution_ids and row.rules:
                return ", ".join(row.rules)
        return None


def _conditions(query: AuditQuery) -> Iterator[ColumnElement[bool]]:
    for name in ("actor", "incident_id", "dependency", "recovery_id", "verb", "origin", "forced"):
        wanted = getattr(query, name)
        if wanted is not None:
            yield audit.c[name] == (str(wanted) if name == "origin" else wanted)
    if query.since:
        yield audit.c.at >= query.since
    if query.until:
        yield audit.c.at < query.until


def _row(entry: AuditEntry) -> dict[str, Any]:
    row = {name: getattr(entry, name) for name in NAMES}
    return row | {"origin": str(entry.origin), "overrides": list(entry.overrides)}


def _entry(row: Row[Any]) -> AuditEntry:
    values = {name: getattr(row, name) for name in NAMES}
    return AuditEntry(**values | {"origin": Origin(row.origin), "overrides": tuple(row.overrides)})
