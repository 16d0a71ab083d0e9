"""Approvals: what a person is asked to agree to, and what was answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "approvals",
        sa.Column("recovery_id", sa.Uuid(), nullable=False),
        sa.Column("asked_by", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.Column("otherwise", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("decided_by", sa.String(200)),
        sa.Column("decided_reason", sa.Text()),
        sa.Column("decided_at", TIME),
        sa.Column("inquiry_id", sa.String(64)),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.Column("tell_at", TIME),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.PrimaryKeyConstraint("recovery_id", name=op.f("pk_approvals")),
    )
    for columns in (["asked_at"], ["state", "until"], ["tell_at"]):
        op.create_index(op.f(f"ix_approvals_{'_'.join(columns)}"), "approvals", columns)


def downgrade() -> None:
    op.drop_table("approvals")
