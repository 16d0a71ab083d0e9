"""The event log's tables, and how to bring a database to them. On PostgreSQL they live in the schema `eventlog`."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
    false,
)

from orchestrator.stores import NAMING, Store, UtcDateTime

metadata = MetaData(naming_convention=NAMING)

# AUTOINCREMENT: a number is never given twice, not even after every row has been dropped.
events = Table(
    "events",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("key", Uuid, nullable=False, unique=True),
    Column("id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("time", UtcDateTime, nullable=False),
    Column("lane", String(20), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("price_status", String(20), nullable=False),
    Column("price_usd", Text),
    Column("price_version", Text),
    Column("organization", Text),
    Column("trace", String(32)),
    Column("failed", Boolean, nullable=False, server_default=false()),
    Column("accepted_at", UtcDateTime, nullable=False),
    # Readers take a lane in order; the counts are made of this index alone.
    Index(None, "lane", "seq", "type"),
    sqlite_autoincrement=True,
)

cursors = Table(
    "cursors",
    metadata,
    Column("sink", String(100), primary_key=True),
    Column("lane", String(20), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("sink", String(100), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("reason", Text, nullable=False),
    Column("field", Text),
    Column("attempts", Integer, nullable=False, server_default="1"),
    Column("at", UtcDateTime, nullable=False),
)

# Spans that a sink's share of traces left out, by their place in the log.
sampled_out = Table(
    "sampled_out",
    metadata,
    Column("sink", String(100), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
)

# What a sink takes of a lane behind `since`, up to its next row; `types` and `organizations` are JSON lists.
subscriptions = Table(
    "subscriptions",
    metadata,
    Column("sink", String(100), primary_key=True),
    Column("lane", String(20), primary_key=True),
    Column("since", BigInteger, primary_key=True, autoincrement=False),
    Column("types", Text, nullable=False),
    Column("organizations", Text),
    Column("sample", Double, nullable=False),
)

# What a sink answered to a batch, from its first to its last event.
answers = Table(
    "answers",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("sink", String(100), nullable=False),
    Column("lane", String(20), nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("detail", Text),
    Column("at", UtcDateTime, nullable=False),
    Index(None, "lane", "last"),
)

# The circuit of each sink and lane, so that it stands over a restart; `forced` is what an operator says, where one did.
circuits = Table(
    "circuits",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("state", String(20), nullable=False),
    Column("trips", Integer, nullable=False),
    Column("reopen_at", UtcDateTime),
    Column("outcome", String(20)),
    Column("reason", Text),
    Column("forced", String(20)),
    Column("forced_by", Text),
    Column("forced_reason", Text),
    Column("at", UtcDateTime, nullable=False),
)

# What is sent again, and by whose word; `selection` and `patch` are JSON.
replays = Table(
    "replays",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("selection", Text, nullable=False),
    Column("patch", Text),
    Column("pace", Double),
    Column("origin", String(20), nullable=False),
    Column("ended_at", UtcDateTime),
)

replay_items = Table(
    "replay_items",
    metadata,
    Column("replay_id", Uuid, primary_key=True),
    Column("sink", String(100), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("state", String(20), nullable=False),
    Column("reason", Text),
    Column("field", Text),
    Column("at", UtcDateTime),
    Index(None, "replay_id", "sink", "state", "seq"),
    Index(None, "seq", "sink", "state"),
)

# Dead letters that a person gave up. They stay dead letters.
discards = Table(
    "discards",
    metadata,
    Column("sink", String(100), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

STORE: Final = Store("event log", "orchestrator.eventlog:migrations", metadata, schema="eventlog")


def migrate(url: str) -> None:
    """Bring the event log's tables to the newest revision."""
    STORE.migrate(url)


def check(url: str) -> None:
    """Raise SchemaDiffers unless the database has the event log's tables as declared here."""
    STORE.check(url)
