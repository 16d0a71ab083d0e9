"""Dependencies with their health and budget, and the ramps that releases share."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    _create_dependencies()
    _create_ramps()
    op.add_column("releases", sa.Column("ramp", sa.String(250), nullable=False, server_default=""))
    op.add_column("releases", sa.Column("forced", sa.Boolean(), nullable=False, server_default=sa.false()))


def _create_dependencies() -> None:
    op.create_table(
        "dependencies",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("health", sa.String(20), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True)),
        sa.Column("successes", sa.Float(), nullable=False),
        sa.Column("failures", sa.Float(), nullable=False),
        sa.Column("live", sa.Float(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True)),
        sa.Column("live_at", sa.DateTime(timezone=True)),
        sa.Column("failed_at", sa.DateTime(timezone=True)),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("passed", sa.BigInteger(), nullable=False),
        sa.Column("passes", sa.BigInteger(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True)),
        sa.Column("tokens", sa.Float()),
        sa.Column("filled_at", sa.DateTime(timezone=True)),
        sa.Column("held_by", sa.String(200)),
        sa.Column("held_reason", sa.Text()),
        sa.Column("held_at", sa.DateTime(timezone=True)),
        sa.Column("probe_at", sa.DateTime(timezone=True)),
        sa.Column("probe_note", sa.Text()),
    )


def _create_ramps() -> None:
    op.create_table(
        "ramps",
        sa.Column("name", sa.String(250), primary_key=True),
        sa.Column("phase", sa.String(20), nullable=False),
        sa.Column("gate_at", sa.DateTime(timezone=True)),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("canary_release_id", sa.Uuid()),
        sa.Column("canary_id", sa.Uuid()),
        sa.Column("window", sa.Float(), nullable=False),
        sa.Column("threshold", sa.Float()),
        sa.Column("strikes", sa.Integer(), nullable=False),
        sa.Column("clean", sa.Integer(), nullable=False),
        sa.Column("why", sa.Text()),
    )


def downgrade() -> None:
    op.drop_column("releases", "forced")
    op.drop_column("releases", "ramp")
    op.drop_table("ramps")
    op.drop_table("dependencies")
