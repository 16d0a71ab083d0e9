"""What is sent again, and what was given up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "replays",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("selection", sa.Text, nullable=False),
        sa.Column("patch", sa.Text),
        sa.Column("pace", sa.Double),
        sa.Column("origin", sa.String(20), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "replay_items",
        sa.Column("replay_id", sa.Uuid, primary_key=True),
        sa.Column("sink", sa.String(100), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("field", sa.Text),
        sa.Column("at", sa.DateTime(timezone=True)),
    )
    op.create_index("ix_replay_items_replay_id_sink_state_seq", "replay_items", ["replay_id", "sink", "state", "seq"])
    op.create_index("ix_replay_items_seq_sink_state", "replay_items", ["seq", "sink", "state"])
    op.create_table(
        "discards",
        sa.Column("sink", sa.String(100), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    for table in ("discards", "replay_items", "replays"):
        op.drop_table(table)
