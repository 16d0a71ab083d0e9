"""Alerts: who is told of an incident, how far the ladder was climbed, and who has answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:  # long: three tables, column by column
    op.create_table(
        "alerts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ladder", sa.String(30), nullable=False),
        sa.Column("dependency", sa.String(200)),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("severity", sa.String(20), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("asked_level", sa.Integer(), nullable=False),
        sa.Column("began_at", TIME, nullable=False),
        sa.Column("climbs_from", TIME, nullable=False),
        sa.Column("joined_at", TIME),
        sa.Column("raised", sa.JSON(), nullable=False),
        sa.Column("targets", sa.JSON(), nullable=False),
        sa.Column("owed", sa.JSON(), nullable=False),
        sa.Column("told", sa.JSON()),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("reopened", sa.Integer(), nullable=False),
        sa.Column("incidents", sa.Integer(), nullable=False),
        sa.Column("acknowledged_at", TIME),
        sa.Column("acknowledged_by", sa.String(200)),
        sa.Column("resolved_at", TIME),
        sa.Column("seconds_to_acknowledge", sa.Float()),
        sa.Column("seconds_to_resolve", sa.Float()),
        sa.Column("next_at", TIME),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    for columns in (["next_at"], ["state", "began_at"], ["dependency", "state"], ["resolved_at"]):
        op.create_index(op.f(f"ix_alerts_{'_'.join(columns)}"), "alerts", columns)
    op.create_table(
        "alert_incidents",
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("alert_id", sa.Uuid()),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("look_again_size", sa.Integer(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("incident_id", name=op.f("pk_alert_incidents")),
    )
    for name in ("alert_id", "closed"):
        op.create_index(op.f(f"ix_alert_incidents_{name}"), "alert_incidents", [name])
    op.create_table(
        "alert_pages",
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("name", sa.String(30), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("alert_id", "number", name=op.f("pk_alert_pages")),
    )
    op.create_index(op.f("ix_alert_pages_name"), "alert_pages", ["name"])


def downgrade() -> None:
    for table in ("alert_pages", "alert_incidents", "alerts"):
        op.drop_table(table)
