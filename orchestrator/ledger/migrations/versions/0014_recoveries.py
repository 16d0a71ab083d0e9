"""Recoveries of many failures at once, and what became of each of them.

A release may rest or be ended by its person, and takes the newest first where it is asked to. What a release holds is
found in its order, however much that is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    _add_recoveries()
    _add_items()
    op.add_column("releases", sa.Column("halted", sa.String(20)))
    op.add_column("releases", sa.Column("newest", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index(op.f("ix_releases_command_id_incident_id"), "releases", ["command_id", "incident_id"])
    op.drop_index(op.f("ix_failures_command_release_id"), table_name="failures")
    op.create_index(
        op.f("ix_failures_command_release_id_state_occurred_at"),
        "failures",
        ["command_release_id", "state", "occurred_at"],
    )
    op.create_index(op.f("ix_failures_occurred_at"), "failures", ["occurred_at"])


def _add_recoveries() -> None:
    op.create_table(
        "recoveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("command", sa.String(20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("selection", sa.JSON(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("forced", sa.Boolean(), nullable=False),
        sa.Column("order", sa.String(10), nullable=False),
        sa.Column("limit", sa.Integer()),
        sa.Column("edits", sa.JSON(), nullable=False),
        sa.Column("incident_id", sa.Uuid()),
        sa.Column("failure_id", sa.Uuid()),
        sa.Column("prediction", sa.JSON()),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("note", sa.Text()),
        sa.Column("purged", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recoveries")),
    )
    op.create_index(op.f("ix_recoveries_created_at"), "recoveries", ["created_at"])
    op.create_index(op.f("ix_recoveries_state"), "recoveries", ["state"])


def _add_items() -> None:
    op.create_table(
        "recovery_items",
        sa.Column("recovery_id", sa.Uuid(), nullable=False),
        sa.Column("failure_id", sa.Uuid(), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("release_id", sa.Uuid()),
        sa.Column("taken_from", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("outcome", sa.String(20)),
        sa.ForeignKeyConstraint(
            ["recovery_id"], ["recoveries.id"], name=op.f("fk_recovery_items_recovery_id_recoveries")
        ),
        sa.PrimaryKeyConstraint("recovery_id", "failure_id", name=op.f("pk_recovery_items")),
    )
    op.create_index(op.f("ix_recovery_items_failure_id"), "recovery_items", ["failure_id"])
    op.create_index(op.f("ix_recovery_items_release_id_outcome"), "recovery_items", ["release_id", "outcome"])


def downgrade() -> None:
    op.drop_index(op.f("ix_failures_occurred_at"), table_name="failures")
    op.drop_index(op.f("ix_failures_command_release_id_state_occurred_at"), table_name="failures")
    op.create_index(op.f("ix_failures_command_release_id"), "failures", ["command_release_id"])
    op.drop_index(op.f("ix_releases_command_id_incident_id"), table_name="releases")
    for name in ("newest", "halted"):
        op.drop_column("releases", name)
    for name in ("recovery_items", "recoveries"):
        op.drop_table(name)
