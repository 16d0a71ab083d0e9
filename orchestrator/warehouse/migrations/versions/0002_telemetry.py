"""The other events: prompts with their likeness, policies' decisions, and one row for each event whatsoever."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _key() -> sa.Column[str]:
    return sa.Column("id", sa.Uuid(as_uuid=False).with_variant(sa.String(36), "sqlite"), primary_key=True)


def upgrade() -> None:
    op.add_column("model_cost_logs", sa.Column("response_id", sa.Text))
    op.add_column("model_cost_logs", sa.Column("duration_seconds", sa.Double))
    _add_prompts()
    _add_events()


def _add_prompts() -> None:
    op.create_table(
        "prompt_sim_logs",
        _key(),
        sa.Column("prompt_hash", sa.String(64), nullable=False),
        sa.Column("similarity_score", sa.Double),
        sa.Column("matched_prompt_hash", sa.String(64)),
        sa.Column("blocked", sa.Boolean, nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("organization_id", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_prompt_sim_logs_created_at", "prompt_sim_logs", ["created_at"])
    op.create_table(
        "prompt_sketches",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.Identity(), primary_key=True),
        sa.Column("id", sa.Uuid(as_uuid=False).with_variant(sa.String(36), "sqlite"), nullable=False),
        sa.Column("prompt_hash", sa.String(64), nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("counts", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("id", name="uq_prompt_sketches_id"),
        sqlite_autoincrement=True,
    )


def _add_events() -> None:
    op.create_table(
        "governance_events",
        _key(),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("organization_id", sa.Text),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_governance_events_created_at", "governance_events", ["created_at"])
    op.create_table(
        "event_logs",
        _key(),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("subject", sa.Text),
        sa.Column("traceparent", sa.Text),
        sa.Column("data", sa.Text, nullable=False),
    )
    op.create_index("ix_event_logs_type_time", "event_logs", ["type", "time"])


def downgrade() -> None:
    for table in ("event_logs", "governance_events", "prompt_sketches", "prompt_sim_logs"):
        op.drop_table(table)
    with op.batch_alter_table("model_cost_logs") as batch:
        batch.drop_column("duration_seconds")
        batch.drop_column("response_id")
