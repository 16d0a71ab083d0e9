"""An index by task on the calls, for whoever asks what an incident's tasks cost."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_index("ix_model_cost_logs_task_id", "model_cost_logs", ["task_id"])


def downgrade() -> None:
    op.drop_index("ix_model_cost_logs_task_id", table_name="model_cost_logs")
