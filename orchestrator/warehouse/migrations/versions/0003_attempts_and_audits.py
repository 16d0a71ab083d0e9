"""Attempts and audits as logs of their own, what is known of an event in every log, hours of costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import op

if TYPE_CHECKING:
    from decimal import Decimal

revision = "0003"
down_revision = "0002"

# Written out as they were at this revision: what the code has later is for later revisions.
ABOUT = (
    "organization_id",
    "user_id",
    "agent_id",
    "workflow_execution_id",
    "node_id",
    "request_id",
    "task_id",
    "incident_id",
    "trace_id",
    "optimizer_version",
    "policy_version",
)
TOKENS = (
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cache_audio_read_tokens",
    "input_audio_tokens",
    "input_image_tokens",
    "input_tool_tokens",
    "output_audio_tokens",
    "output_image_tokens",
    "output_reasoning_tokens",
)
KNOWN = {
    "model_cost_logs": (
        "organization_id",
        "user_id",
        "agent_id",
        "workflow_execution_id",
        "node_id",
        "request_id",
        "task_id",
    ),
    "prompt_sim_logs": ("user_id", "organization_id"),
    "governance_events": ("user_id", "organization_id"),
    "event_logs": (),
}
MOMENT = sa.DateTime(timezone=True)


def _usd(digits: int = 18) -> sa.Numeric[Decimal]:
    return sa.Numeric(digits, 10).with_variant(sa.Text, "sqlite")


def _key() -> sa.Column[str]:
    return sa.Column("id", sa.Uuid(as_uuid=False).with_variant(sa.String(36), "sqlite"), primary_key=True)


def _number() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.Identity(), primary_key=True)


def upgrade() -> None:
    for name in TOKENS:
        op.add_column("model_cost_logs", sa.Column(name, sa.BigInteger))
    for table, known in KNOWN.items():
        for name in ABOUT:
            if name not in known:
                op.add_column(table, sa.Column(name, sa.Text))
    op.add_column("event_logs", sa.Column("usd_cost", _usd()))
    op.add_column("event_logs", sa.Column("similarity_score", sa.Double))
    op.add_column("event_logs", sa.Column("policy", sa.Text))
    op.add_column("event_logs", sa.Column("action", sa.Text))
    _add_attempts()
    _add_audits()
    _add_hours()


def _add_attempts() -> None:
    texts = ("captured", "error_type", "error_code", "dependency", "plan", "worker")
    ids = ("failure_id", "attempt_id", "release_id", "execution_id")
    op.create_table(
        "code_exec_logs",
        _key(),
        sa.Column("task", sa.Text),
        sa.Column("number", sa.BigInteger),
        sa.Column("retries", sa.BigInteger),
        sa.Column("outcome", sa.String(20)),
        sa.Column("error_status", sa.BigInteger),
        *(sa.Column(name, sa.Text) for name in (*texts, *ids)),
        sa.Column("started_at", MOMENT),
        sa.Column("ended_at", MOMENT),
        sa.Column("duration_seconds", sa.Double),
        sa.Column("created_at", MOMENT, nullable=False),
        *(sa.Column(name, sa.Text) for name in ABOUT),
    )
    op.create_index("ix_code_exec_logs_created_at", "code_exec_logs", ["created_at"])
    op.create_index("ix_code_exec_logs_task_id", "code_exec_logs", ["task_id"])


def _add_audits() -> None:
    texts = ("actor", "reason", "dependency", "release_id", "failure_id", "policy", "action")
    op.create_table(
        "audit_logs",
        _key(),
        sa.Column("what", sa.Text, nullable=False),
        *(sa.Column(name, sa.Text) for name in texts),
        sa.Column("forced", sa.Boolean),
        sa.Column("usd_cost", _usd()),
        sa.Column("similarity_score", sa.Double),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        *(sa.Column(name, sa.Text) for name in ABOUT),
    )
    op.create_index("ix_audit_logs_created_at", "audit_logs", ["created_at"])


def _add_hours() -> None:
    total = sa.Numeric(38, 0).with_variant(sa.BigInteger, "sqlite")
    op.create_table(
        "cost_hours",
        _number(),
        sa.Column("hour", MOMENT, nullable=False),
        sa.Column("organization_id", sa.Text),
        sa.Column("agent_id", sa.Text),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("tokens_input", total, nullable=False),
        sa.Column("tokens_output", total, nullable=False),
        sa.Column("usd_cost", _usd(28)),
        sa.Column("unpriced", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_cost_hours_hour", "cost_hours", ["hour"])
    op.create_table("stale_hours", _number(), sa.Column("hour", MOMENT, nullable=False), sqlite_autoincrement=True)
    # The costs that are there already have no hours yet.
    hour = HOURS[op.get_bind().dialect.name]
    op.execute(f"INSERT INTO stale_hours (hour) SELECT DISTINCT {hour} FROM model_cost_logs")  # noqa: S608 - our own words


HOURS = {
    "sqlite": "strftime('%Y-%m-%d %H:00:00.000000', created_at)",
    "postgresql": "date_trunc('hour', created_at, 'UTC')",
}


def downgrade() -> None:
    for table in ("stale_hours", "cost_hours", "audit_logs", "code_exec_logs"):
        op.drop_table(table)
    for name in ("action", "policy", "similarity_score", "usd_cost"):
        op.drop_column("event_logs", name)
    for table, known in KNOWN.items():
        for name in ABOUT:
            if name not in known:
                op.drop_column(table, name)
    for name in TOKENS:
        op.drop_column("model_cost_logs", name)
