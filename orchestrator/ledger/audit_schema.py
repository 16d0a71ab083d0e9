"""The table of the audit, and the triggers that keep it as it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import DDL, JSON, BigInteger, Boolean, Column, Index, Integer, String, Table, Text, Uuid, event

from orchestrator.ledger.schema import metadata
from orchestrator.stores import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

audit = Table(
    "audit",
    metadata,
    # Given by whoever appends, without a gap.
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("id", Uuid, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("origin", String(20), nullable=False),
    Column("verb", String(40), nullable=False),
    Column("reason", Text, nullable=False),
    Column("failure_id", Uuid),
    Column("incident_id", Uuid),
    Column("dependency", Text),
    Column("recovery_id", Uuid),
    Column("sink", Text),
    Column("event", Text),
    Column("execution_id", Text),
    Column("rule", Text),
    Column("forced", Boolean, nullable=False),
    Column("overrides", JSON, nullable=False),
    Column("before", JSON, nullable=False),
    Column("after", JSON, nullable=False),
    Column("revision", Integer),
    Column("former", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("uq_audit_id", "id", unique=True),
    Index(None, "incident_id", "seq"),
    Index(None, "dependency"),
    Index(None, "at"),
)

SAYS: Final = "'the audit grows and is never changed'"
STAYS: Final = f"LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION {SAYS}; END $$"
ABORTS: Final = f"SELECT RAISE(ABORT, {SAYS})"
IS_THERE: Final = "EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq OR id = NEW.id)"
CALLS_IT: Final = "EXECUTE FUNCTION audit_stays()"
# Whoever owns the table can take these away; the hashes are for that.
GUARDS: Final[Mapping[str, Sequence[str]]] = {
    "sqlite": (
        f"CREATE TRIGGER audit_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, {SAYS}); END",
        f"CREATE TRIGGER audit_not_deleted BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, {SAYS}); END",
        # INSERT OR REPLACE deletes a row without the trigger of deletes.
        f"CREATE TRIGGER audit_not_replaced BEFORE INSERT ON audit WHEN {IS_THERE} BEGIN {ABORTS}; END",
    ),
    "postgresql": (
        f"CREATE FUNCTION audit_stays() RETURNS trigger {STAYS}",
        f"CREATE TRIGGER audit_not_changed BEFORE UPDATE OR DELETE ON audit FOR EACH ROW {CALLS_IT}",
        f"CREATE TRIGGER audit_not_emptied BEFORE TRUNCATE ON audit FOR EACH STATEMENT {CALLS_IT}",
    ),
}

for _dialect, _statements in GUARDS.items():
    for _statement in _statements:
        _guard = DDL(_statement)  # type: ignore[no-untyped-call]  # SQLAlchemy gives it no types
        event.listen(audit, "after_create", _guard.execute_if(dialect=_dialect))
