"""The ledger's tables. Times are UTC; a plan, a payload and a message are JSON, their bodies bytes."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
    text,
)

from orchestrator.stores import NAMING, Store, UtcDateTime

metadata = MetaData(naming_convention=NAMING)
STORE: Final = Store("ledger", "orchestrator.ledger:migrations", metadata, "ledger")

incidents = Table(
    "incidents",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("signature", String(1000), nullable=False),
    Column("dependency", String(200)),
    Column("dependency_key", String(200), nullable=False),
    Column("task", String(500), nullable=False),
    Column("kind", String(30), nullable=False),
    Column("why", Text, nullable=False),
    Column("state", String(20), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("size", Integer, nullable=False),
    Column("idempotent", Boolean, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("first_failure_id", Uuid, nullable=False),
    Column("plan", JSON),
    Column("note", Text),
    Column("closed_at", UtcDateTime),
    Index(
        "uq_incidents_open",
        "signature",
        "dependency_key",
        unique=True,
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
    Index(None, "state"),
    Index(None, "opened_at"),
)

failures = Table(
    "failures",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("incident_id", Uuid, ForeignKey("incidents.id"), nullable=False),
    Column("task_id", String(255), nullable=False),
    Column("task", String(500), nullable=False),
    Column("retries", Integer, nullable=False),
    Column("attempt_id", Uuid),
    Column("kind", String(30), nullable=False),
    Column("state", String(20), nullable=False),
    Column("idempotent", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("command_release_id", Uuid),
    Column("exception", JSON, nullable=False),
    Column("message", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("declaration", JSON, nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("event_id", String(255), nullable=False),
    Column("worker", String(255), nullable=False),
    Index(None, "incident_id", "state", "occurred_at"),
    Index(None, "task_id"),
    Index(None, "command_release_id"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("event_id", String(255), primary_key=True),
    Column("failure_id", Uuid),
    Column("attempt_id", Uuid),
)

releases = Table(
    "releases",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("incident_id", Uuid, ForeignKey("incidents.id"), nullable=False),
    Column("command_id", Uuid),
    Column("plan", JSON, nullable=False),
    Column("state", String(20), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("gate_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("note", Text),
    Index(None, "incident_id"),
    Index(None, "state"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("failure_id", Uuid, ForeignKey("failures.id"), nullable=False),
    Column("task_id", String(255), nullable=False),
    Column("incident_id", Uuid, nullable=False),
    Column("release_id", Uuid, ForeignKey("releases.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("plan", String(30), nullable=False),
    Column("state", String(20), nullable=False),
    Column("execution_id", String(64)),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("published_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("duplicates", Integer, nullable=False),
    Column("reason", Text),
    Index("uq_attempts_number", "failure_id", "number", unique=True),
    Index(None, "release_id", "state"),
    Index(None, "state", "recorded_at"),
)

dispatches = Table(
    "dispatches",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("incident_id", Uuid, ForeignKey("incidents.id"), nullable=False),
    Column("trigger", String(100), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("state", String(20), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("next_at", UtcDateTime, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("trigger_instance_id", String(64)),
    Column("rules", JSON, nullable=False),
    Column("execution_ids", JSON, nullable=False),
    Column("note", Text),
    Index(None, "state", "next_at"),
    Index(None, "incident_id"),
)

commands = Table(
    "commands",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("actor", String(200), nullable=False),
    Column("failure_id", Uuid, ForeignKey("failures.id"), nullable=False),
    Column("incident_id", Uuid, nullable=False),
    Column("release_id", Uuid, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("request_hash", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("event", JSON, nullable=False),
    # A number is never given twice: a copier that clears late must not drop a newer event.
    sqlite_autoincrement=True,
)

modes = Table(
    "modes",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("mode", String(20), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("part", String(60), primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("expires_at", Float, nullable=False),
)
