"""Where an attempt was sent, and how that was decided."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("attempts", sa.Column("route", sa.String(200)))
    op.add_column("attempts", sa.Column("decision", sa.JSON(none_as_null=True)))
    routed = sa.text("route IS NOT NULL")
    op.create_index("ix_attempts_routed", "attempts", ["ended_at"], sqlite_where=routed, postgresql_where=routed)


def downgrade() -> None:
    op.drop_index("ix_attempts_routed", "attempts")
    op.drop_column("attempts", "decision")
    op.drop_column("attempts", "route")
