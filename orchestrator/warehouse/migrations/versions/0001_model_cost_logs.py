"""One row for each model call, with its cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "model_cost_logs",
        sa.Column("id", sa.Uuid(as_uuid=False).with_variant(sa.String(36), "sqlite"), primary_key=True),
        sa.Column("agent_id", sa.Text),
        sa.Column("workflow_execution_id", sa.Text),
        sa.Column("node_id", sa.Text),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("tokens_input", sa.BigInteger, nullable=False),
        sa.Column("tokens_output", sa.BigInteger, nullable=False),
        # SQLite keeps NUMERIC as a binary float: TEXT is exact there.
        sa.Column("usd_cost", sa.Numeric(18, 10).with_variant(sa.Text, "sqlite")),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pricing_status", sa.String(20), nullable=False),
        sa.Column("pricing_version", sa.Text),
        sa.Column("event_source", sa.Text, nullable=False),
        sa.Column("organization_id", sa.Text),
        sa.Column("user_id", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("task_id", sa.Text),
    )
    op.create_index("ix_model_cost_logs_created_at", "model_cost_logs", ["created_at"])


def downgrade() -> None:
    op.drop_table("model_cost_logs")
