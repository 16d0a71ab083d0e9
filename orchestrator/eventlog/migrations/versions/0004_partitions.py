"""What retention needs: partitions by day on PostgreSQL, keys of 16 bytes on SQLite, totals, room, keys of the past."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

COLUMNS = (
    "seq, key, id, source, type, time, lane, body, price_status, price_usd, price_version, "
    "organization, trace, failed, accepted_at"
)


def upgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    if on_sqlite:
        _shorten_keys()
    else:
        _partition()
    _add_tables(sa.LargeBinary(16) if on_sqlite else sa.Uuid())
    op.execute("INSERT INTO held SELECT 1, count(*), coalesce(sum(length(body)), 0) FROM events")


def _shorten_keys() -> None:
    """Keep keys as 16 bytes instead of 32 digits."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None  # noqa: S101 - a migration runs on an open connection
    connection.create_function("redrive_bytes", 1, bytes.fromhex, deterministic=True)
    op.rename_table("events", "events_before")
    op.drop_index("ix_events_lane_seq_type", "events_before")
    _create_events(sa.LargeBinary(16), sa.UniqueConstraint("key", name="uq_events_key"))
    rest = COLUMNS.removeprefix("seq, key, ")
    op.execute(f"INSERT INTO events ({COLUMNS}) SELECT seq, redrive_bytes(key), {rest} FROM events_before")  # noqa: S608 - names of our own
    # the dropped table takes its last number along; the new one must go on behind it
    op.execute(
        "UPDATE sqlite_sequence SET seq = (SELECT seq FROM sqlite_sequence WHERE name = 'events_before') "
        "WHERE name = 'events' AND EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'events_before')"
    )
    op.drop_table("events_before")


def _partition() -> None:
    """Make the log a table of partitions, and put what it holds into the default one."""
    op.execute("ALTER TABLE events RENAME TO events_before")
    op.execute("ALTER TABLE events_before RENAME CONSTRAINT pk_events TO pk_events_before")
    op.execute("ALTER INDEX ix_events_lane_seq_type RENAME TO ix_events_before")
    op.execute("ALTER SEQUENCE events_seq_seq RENAME TO events_before_seq")
    _create_events(sa.Uuid(), sa.UniqueConstraint("key", "time", name="uq_events_key_time"), "time")
    op.execute("CREATE TABLE events_default PARTITION OF events DEFAULT")
    op.execute(f"INSERT INTO events ({COLUMNS}) SELECT {COLUMNS} FROM events_before ORDER BY seq")  # noqa: S608 - names of our own
    op.execute("SELECT setval(pg_get_serial_sequence('events', 'seq'), last_value, is_called) FROM events_before_seq")
    op.execute("DROP TABLE events_before")


def _create_events(key: sa.LargeBinary | sa.Uuid[Any], unique: sa.UniqueConstraint, *more_of_key: str) -> None:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "events",
        sa.Column("seq", number, sa.Identity(), nullable=False),
        sa.Column("key", key, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lane", sa.String(20), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("price_status", sa.String(20), nullable=False),
        sa.Column("price_usd", sa.Text),
        sa.Column("price_version", sa.Text),
        sa.Column("organization", sa.Text),
        sa.Column("trace", sa.String(32)),
        sa.Column("failed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("seq", *more_of_key, name="pk_events"),
        unique,
        sqlite_autoincrement=True,
        postgresql_partition_by="RANGE (time)",
    )
    op.create_index("ix_events_lane_seq_type", "events", ["lane", "seq", "type"])


def _add_tables(key: sa.LargeBinary | sa.Uuid[Any]) -> None:
    counted = ("accepted", "filtered", "sampled_out", "routed", "delivered", "dead")
    op.create_table(
        "totals",
        sa.Column("sink", sa.String(100), primary_key=True),
        sa.Column("lane", sa.String(20), primary_key=True),
        sa.Column("hour", sa.DateTime(timezone=True), primary_key=True),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in counted),
    )
    op.create_table(
        "settled",
        sa.Column("sink", sa.String(100), primary_key=True),
        sa.Column("lane", sa.String(20), primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "unsettled",
        sa.Column("sink", sa.String(100), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    )
    op.create_table(
        "past_keys",
        sa.Column("key", key, primary_key=True),
        sa.Column("dropped_at", sa.DateTime(timezone=True), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_past_keys_dropped_at", "past_keys", ["dropped_at"])
    op.create_table(
        "held",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("events", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    raise NotImplementedError("expected a restore from a backup: what was dropped cannot be put back")
