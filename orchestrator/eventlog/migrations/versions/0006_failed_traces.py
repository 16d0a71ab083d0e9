"""An index of the traces in which something failed: a sink that samples asks for them at each batch."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_index(
        "ix_events_failed_trace",
        "events",
        ["trace"],
        sqlite_where=sa.text("failed = 1"),
        postgresql_where=sa.text("failed"),
    )


def downgrade() -> None:
    op.drop_index("ix_events_failed_trace", "events")
