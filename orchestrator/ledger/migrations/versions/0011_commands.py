"""What a person's command is about, what it changed, and whether it was forced; an incident that a person holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    with op.batch_alter_table("commands") as batch:
        batch.add_column(sa.Column("kind", sa.String(20), nullable=False, server_default="retry"))
        batch.add_column(sa.Column("dependency", sa.String(200)))
        batch.add_column(sa.Column("forced", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch.add_column(sa.Column("before", sa.JSON(), nullable=False, server_default="{}"))
        batch.add_column(sa.Column("after", sa.JSON(), nullable=False, server_default="{}"))
        for name in ("failure_id", "incident_id", "release_id"):
            batch.alter_column(name, existing_type=sa.Uuid(), nullable=True)
    for name in ("incident_id", "dependency"):
        op.create_index(op.f(f"ix_commands_{name}"), "commands", [name])
    op.add_column("incidents", sa.Column("held_by", sa.String(200)))
    op.add_column("incidents", sa.Column("held_reason", sa.Text()))
    op.add_column("incidents", sa.Column("held_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    for name in ("held_at", "held_reason", "held_by"):
        op.drop_column("incidents", name)
    for name in ("dependency", "incident_id"):
        op.drop_index(op.f(f"ix_commands_{name}"), "commands")
    op.execute("DELETE FROM commands WHERE failure_id IS NULL OR release_id IS NULL")
    with op.batch_alter_table("commands") as batch:
        for name in ("failure_id", "incident_id", "release_id"):
            batch.alter_column(name, existing_type=sa.Uuid(), nullable=False)
        for name in ("after", "before", "forced", "dependency", "kind"):
            batch.drop_column(name)
