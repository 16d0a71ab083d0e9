"""Workers as they were last heard, how far the bus has been read, and an index to find orphans by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "workers",
        sa.Column("boot", sa.Uuid(), nullable=False),
        sa.Column("worker", sa.String(length=255), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("stopped", sa.Boolean(), nullable=False),
        sa.Column("children", sa.JSON(), nullable=False),
        sa.Column("in_flight", sa.Integer(), nullable=False),
        sa.Column("every_seconds", sa.Float(), nullable=False),
        sa.Column("sent_at", TIME, nullable=False),
        sa.Column("first_seen", TIME, nullable=False),
        sa.Column("last_seen", TIME, nullable=False),
        sa.Column("idle_since", TIME),
        sa.PrimaryKeyConstraint("boot", name=op.f("pk_workers")),
    )
    op.create_index(op.f("ix_workers_worker"), "workers", ["worker"], unique=False)
    op.create_table(
        "bus_readings",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bus_readings")),
    )
    op.create_index(op.f("ix_failures_captured_occurred_at"), "failures", ["captured", "occurred_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_failures_captured_occurred_at"), "failures")
    op.drop_table("bus_readings")
    op.drop_index(op.f("ix_workers_worker"), "workers")
    op.drop_table("workers")
