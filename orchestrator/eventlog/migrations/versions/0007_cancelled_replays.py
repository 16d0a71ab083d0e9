"""A replay that a person stopped: by whose word, and why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
COLUMNS = ("cancelled_by", "cancelled_reason")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("replays", sa.Column(name, sa.Text()))


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("replays", name)
