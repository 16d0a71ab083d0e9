"""Who has an incident, since when somebody knows of it, and the revision on which the rules were asked last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    # Column by column: SQLite makes a table anew for more than that, and others refer to this one.
    op.add_column("incidents", sa.Column("asked_on", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("incidents", sa.Column("severity", sa.String(20), nullable=False, server_default="error"))
    for name in ("owner", "acknowledged_by"):
        op.add_column("incidents", sa.Column(name, sa.String(200)))
    for name in ("acknowledged_at", "snoozed_until"):
        op.add_column("incidents", sa.Column(name, sa.DateTime(timezone=True)))
    op.execute("UPDATE incidents SET asked_on = revision")


def downgrade() -> None:
    for name in ("snoozed_until", "acknowledged_at", "acknowledged_by", "owner", "severity", "asked_on"):
        op.drop_column("incidents", name)
