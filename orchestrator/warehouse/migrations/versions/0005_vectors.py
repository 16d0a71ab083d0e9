"""Vectors of embedders beside the sketches, and which of them scored a prompt."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("prompt_sketches", sa.Column("embedder", sa.Text()))
    op.add_column("prompt_sketches", sa.Column("vector", sa.LargeBinary()))
    op.add_column("prompt_sim_logs", sa.Column("embedder", sa.Text()))


def downgrade() -> None:
    op.drop_column("prompt_sim_logs", "embedder")
    op.drop_column("prompt_sketches", "vector")
    op.drop_column("prompt_sketches", "embedder")
