"""The event log's tables, and how to bring a database to them. On PostgreSQL they live in the schema `eventlog`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

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
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    false,
    text,
)

from orchestrator.stores import NAMING, ONLY_ON, Store, UtcDateTime

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

# The sink whose totals are of what was dropped altogether.
NOBODY: Final = ""
COUNTED: Final = ("accepted", "filtered", "sampled_out", "routed", "delivered", "dead")
metadata = MetaData(naming_convention=NAMING)


class Key(TypeDecorator[UUID]):
    """An event's key: a UUID, on SQLite as its 16 bytes, half of what its digits would take in each index."""

    impl = Uuid
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column's type."""
        return dialect.type_descriptor(LargeBinary(16) if dialect.name == "sqlite" else Uuid())

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> UUID | bytes | None:
        """Give what the column holds."""
        return value.bytes if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: UUID | bytes | None, dialect: Dialect) -> UUID | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Read it back."""
        return UUID(bytes=value) if isinstance(value, bytes) else value


# AUTOINCREMENT: a number is never given twice, not even after every row has been dropped.
# On PostgreSQL partitioned by the day of `time`, with (seq, time) as primary key: see partitions.py.
events = Table(
    "events",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("key", Key, nullable=False),
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
    # Sampling asks in which traces something failed: of few events, so that the others pay nothing for it.
    Index("ix_events_failed_trace", "trace", sqlite_where=text("failed = 1"), postgresql_where=text("failed")),
    # A partition can only tell its own keys apart: those of the others are looked up before (appending.py).
    UniqueConstraint("key", name="uq_events_key", info={ONLY_ON: "sqlite"}),
    UniqueConstraint("key", "time", name="uq_events_key_time", info={ONLY_ON: "postgresql"}),
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
    Column("cancelled_by", Text),
    Column("cancelled_reason", Text),
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

# What the rows up to `settled` come to, by lane and hour of acceptance; of sink '' what is dropped altogether.
totals = Table(
    "totals",
    metadata,
    Column("sink", String(100), primary_key=True),
    Column("lane", String(20), primary_key=True),
    Column("hour", UtcDateTime, primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in COUNTED),
)

# The place up to which a sink's rows of a lane are in its totals.
settled = Table(
    "settled",
    metadata,
    Column("sink", String(100), primary_key=True),
    Column("lane", String(20), primary_key=True),
    Column("seq", BigInteger, nullable=False),
)

# Rows in front of that place which are not in the totals, since they were dead letters.
unsettled = Table(
    "unsettled",
    metadata,
    Column("sink", String(100), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
)

# The keys of events whose rows were dropped, for as long as they would be known again.
past_keys = Table(
    "past_keys",
    metadata,
    Column("key", Key, primary_key=True),
    Column("dropped_at", UtcDateTime, nullable=False, index=True),
    sqlite_with_rowid=False,
)

# One row: how many events the log holds, and the bytes of their bodies.
held = Table(
    "held",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("events", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)

# A sink's delivered events held against what its store has: asked for, and done.
reconciliations = Table(
    "reconciliations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("sink", String(100), nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("done_at", UtcDateTime),
    Column("checked", BigInteger, nullable=False),
    Column("missing", BigInteger, nullable=False),
    Column("sent", BigInteger, nullable=False),
    Column("replay_id", Uuid),
)

STORE: Final = Store("event log", "orchestrator.eventlog:migrations", metadata, schema="eventlog")


def migrate(url: str) -> None:
    """Bring the event log's tables to the newest revision."""
    STORE.migrate(url)


def check(url: str) -> None:
    """Raise SchemaDiffers unless the database has the event log's tables as declared here."""
    STORE.check(url)
