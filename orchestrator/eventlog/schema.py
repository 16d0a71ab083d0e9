"""The event log's tables, and how to bring a database to them. On PostgreSQL they live in the schema `eventlog`."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, LargeBinary, MetaData, String, Table, Text, Uuid

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
)

STORE: Final = Store("event log", "orchestrator.eventlog:migrations", metadata, schema="eventlog")


def migrate(url: str) -> None:
    """Bring the event log's tables to the newest revision."""
    STORE.migrate(url)


def check(url: str) -> None:
    """Raise SchemaDiffers unless the database has the event log's tables as declared here."""
    STORE.check(url)
