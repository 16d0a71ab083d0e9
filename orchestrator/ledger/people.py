"""People's commands, the answers kept for their Idempotency-Keys, and the mode."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from orchestrator.domain.auditing import deed_of
from orchestrator.domain.commands import Command, CommandKind, Mode, StoredAnswer
from orchestrator.ledger.auditing import AuditingRows
from orchestrator.ledger.schema import commands, idempotency_keys, modes

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Row

KEYS_LAST = timedelta(hours=24)


class PeopleRows(AuditingRows):
    """The verbs on what people did."""

    def add_command(self, command: Command) -> None:
        """Store a person's command, and append it to the audit."""
        row = {name: getattr(command, name) for name in Command.__slots__}
        row |= {"kind": str(command.kind), "before": dict(command.before), "after": dict(command.after)}
        self._reading.execute(insert(commands).values(**row))
        deed = deed_of(command)
        if deed.execution_id and deed.incident_id:
            deed = replace(deed, rule=self.rule_of(deed.incident_id, deed.execution_id))
        self.audit(deed)

    def command(self, command_id: UUID) -> Command | None:
        """Look a command up."""
        row = self._reading.execute(select(commands).where(commands.c.id == command_id)).one_or_none()
        return _command(row) if row else None

    def commands_of(self, incident_id: UUID) -> list[Command]:
        """List the commands about an incident or its failures, oldest first."""
        query = select(commands).where(commands.c.incident_id == incident_id).order_by(commands.c.created_at)
        return [_command(row) for row in self._reading.execute(query)]

    def commands_about(self, dependency: str, limit: int) -> list[Command]:
        """List the newest commands that name a dependency, newest first."""
        query = select(commands).where(commands.c.dependency == dependency).order_by(commands.c.created_at.desc())
        return [_command(row) for row in self._reading.execute(query.limit(limit))]

    def take_key(self, key: str, request_hash: str, now: datetime) -> StoredAnswer | None:
        """Take an Idempotency-Key for this request; what is stored under it when another request had it first."""
        self._reading.execute(delete(idempotency_keys).where(idempotency_keys.c.created_at < now - KEYS_LAST))
        row = {"key": key, "request_hash": request_hash, "status": 0, "body": "", "location": "", "created_at": now}
        if self._insert_new(idempotency_keys, row):
            return None
        found = self._reading.execute(select(idempotency_keys).where(idempotency_keys.c.key == key)).one()
        return StoredAnswer(found.request_hash, found.status, found.body, found.location)

    def knows_key(self, key: str) -> bool:
        """Tell whether a request has taken this key already."""
        query = select(idempotency_keys.c.key).where(idempotency_keys.c.key == key)
        return self._plain.execute(query).first() is not None

    def store_answer(self, key: str, answer: StoredAnswer) -> None:
        """Keep the answer to the request that took this key."""
        statement = update(idempotency_keys).where(idempotency_keys.c.key == key)
        self._reading.execute(statement.values(status=answer.status, body=answer.body, location=answer.location))

    def mode(self) -> Mode | None:
        """Give the mode that was last set, None before it was."""
        query = select(modes.c.mode).order_by(modes.c.seq.desc()).limit(1)
        name = self._reading.execute(query).scalar_one_or_none()
        return Mode(name) if name else None

    def set_mode(self, mode: Mode, actor: str, now: datetime) -> None:
        """Switch the mode."""
        self._reading.execute(insert(modes).values(mode=str(mode), actor=actor, changed_at=now))


def _command(row: Row[Any]) -> Command:
    values = {name: getattr(row, name) for name in Command.__slots__}
    return Command(**values | {"kind": CommandKind(row.kind)})
