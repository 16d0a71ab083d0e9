"""What forwarding goes by and answers for: organisations, traces, subscriptions, answers, circuits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _number() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.Identity(), primary_key=True)


def _sink_and_lane() -> tuple[sa.Column[str], sa.Column[str]]:
    return (
        sa.Column("sink", sa.String(100), nullable=False),
        sa.Column("lane", sa.String(20), nullable=False),
    )


def upgrade() -> None:
    op.add_column("events", sa.Column("organization", sa.Text))
    op.add_column("events", sa.Column("trace", sa.String(32)))
    op.add_column("events", sa.Column("failed", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("events", sa.Column("accepted_at", sa.DateTime(timezone=True)))
    op.execute("UPDATE events SET accepted_at = time")
    with op.batch_alter_table("events", table_kwargs={"sqlite_autoincrement": True}) as events:
        events.alter_column("accepted_at", existing_type=sa.DateTime(timezone=True), nullable=False)
    op.add_column("dead_letters", sa.Column("field", sa.Text))
    op.add_column("dead_letters", sa.Column("attempts", sa.Integer, nullable=False, server_default="1"))
    op.add_column("dead_letters", sa.Column("at", sa.DateTime(timezone=True)))
    op.execute("UPDATE dead_letters SET at = CURRENT_TIMESTAMP")
    with op.batch_alter_table("dead_letters") as letters:
        letters.alter_column("at", existing_type=sa.DateTime(timezone=True), nullable=False)
    _add_tables()


def _add_tables() -> None:
    op.create_table(
        "sampled_out",
        sa.Column("sink", sa.String(100), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    )
    op.create_table(
        "subscriptions",
        *_sink_and_lane(),
        sa.Column("since", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("types", sa.Text, nullable=False),
        sa.Column("organizations", sa.Text),
        sa.Column("sample", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("sink", "lane", "since", name="pk_subscriptions"),
    )
    op.create_table(
        "answers",
        _number(),
        *_sink_and_lane(),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("detail", sa.Text),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_answers_lane_last", "answers", ["lane", "last"])
    op.create_table(
        "circuits",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("trips", sa.Integer, nullable=False),
        sa.Column("reopen_at", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.String(20)),
        sa.Column("reason", sa.Text),
        sa.Column("forced", sa.String(20)),
        sa.Column("forced_by", sa.Text),
        sa.Column("forced_reason", sa.Text),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    for table in ("circuits", "answers", "subscriptions", "sampled_out"):
        op.drop_table(table)
    for name in ("at", "attempts", "field"):
        op.drop_column("dead_letters", name)
    for name in ("accepted_at", "failed", "trace", "organization"):
        op.drop_column("events", name)
