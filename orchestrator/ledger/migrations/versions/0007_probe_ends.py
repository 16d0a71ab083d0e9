"""How runs of tasks that were sent as probes ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "probe_ends",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retry_after", sa.Float()),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_probe_ends")),
    )
    op.create_index(op.f("ix_probe_ends_at"), "probe_ends", ["at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_probe_ends_at"), "probe_ends")
    op.drop_table("probe_ends")
