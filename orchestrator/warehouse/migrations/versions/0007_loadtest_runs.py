"""A table of load tests: one row for each run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

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
FIGURES = (
    "overhead_p95_ms",
    "worker_overhead_p95_ms",
    "first_retry_success",
    "first_retry_recoverable",
    "events_lost",
    "cost_completeness",
    "error_rate",
    "api_p99_ms",
    "throughput_per_second",
)
NEEDED = ("run_id", "scenario", "engines", "outcome", "machine", "missed", "slower")
JSON = ("gates", "figures", "control", "versions")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "loadtest_runs",
        sa.Column("id", sa.Uuid(as_uuid=False).with_variant(sa.String(36), "sqlite"), primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in (*NEEDED, *JSON)),
        sa.Column("exit_code", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text) for name in ("commit_id", "sabotage", "report_url")),
        sa.Column("dirty", sa.Boolean),
        sa.Column("started_at", MOMENT),
        sa.Column("ended_at", MOMENT),
        sa.Column("seconds", sa.Double),
        sa.Column("created_at", MOMENT, nullable=False),
        *(sa.Column(name, sa.Double) for name in FIGURES),
        *(sa.Column(name, sa.Text) for name in ABOUT),
    )
    op.create_index("ix_loadtest_runs_created_at", "loadtest_runs", ["created_at"])


def downgrade() -> None:
    op.drop_table("loadtest_runs")
