"""The audit: who changed what, when and why, each entry with the hash of the one before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

SAYS = "'the audit grows and is never changed'"
ABORTS = f"SELECT RAISE(ABORT, {SAYS})"
IS_THERE = "EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq OR id = NEW.id)"
GUARDS = {
    "sqlite": (
        f"CREATE TRIGGER audit_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, {SAYS}); END",
        f"CREATE TRIGGER audit_not_deleted BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, {SAYS}); END",
        # INSERT OR REPLACE deletes a row without the trigger of deletes.
        f"CREATE TRIGGER audit_not_replaced BEFORE INSERT ON audit WHEN {IS_THERE} BEGIN {ABORTS}; END",
    ),
    "postgresql": (
        f"CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION {SAYS}; END $$",
        "CREATE TRIGGER audit_not_changed BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_stays()",
        "CREATE TRIGGER audit_not_emptied BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_stays()",
    ),
}


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(20), nullable=False),
        sa.Column("verb", sa.String(40), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("failure_id", sa.Uuid()),
        sa.Column("incident_id", sa.Uuid()),
        sa.Column("dependency", sa.Text()),
        sa.Column("recovery_id", sa.Uuid()),
        sa.Column("sink", sa.Text()),
        sa.Column("event", sa.Text()),
        sa.Column("execution_id", sa.Text()),
        sa.Column("rule", sa.Text()),
        sa.Column("forced", sa.Boolean(), nullable=False),
        sa.Column("overrides", sa.JSON(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer()),
        sa.Column("former", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_index("uq_audit_id", "audit", ["id"], unique=True)
    op.create_index(op.f("ix_audit_incident_id_seq"), "audit", ["incident_id", "seq"])
    op.create_index(op.f("ix_audit_dependency"), "audit", ["dependency"])
    op.create_index(op.f("ix_audit_at"), "audit", ["at"])
    for statement in GUARDS[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("audit")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_stays()")
