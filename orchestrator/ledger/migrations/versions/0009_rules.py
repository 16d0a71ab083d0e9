"""What is known of StackStorm and its rules, and which trigger stands for which."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("dispatches", sa.Column("led_by", sa.Uuid()))
    op.create_index(op.f("ix_dispatches_sent_at"), "dispatches", ["sent_at"])
    op.create_index(op.f("ix_dispatches_led_by"), "dispatches", ["led_by"])
    op.create_table(
        "stackstorm",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rules", sa.JSON()),
        sa.Column("answered_at", TIME),
        sa.Column("away_since", TIME),
        sa.Column("failed_at", TIME),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stackstorm")),
    )


def downgrade() -> None:
    op.drop_table("stackstorm")
    op.drop_index(op.f("ix_dispatches_led_by"), "dispatches")
    op.drop_index(op.f("ix_dispatches_sent_at"), "dispatches")
    op.drop_column("dispatches", "led_by")
