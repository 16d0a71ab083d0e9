"""The ledger's tables. Times are UTC; a plan, a payload and a message are JSON, their bodies bytes."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
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
    false,
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
    Column("traceparent", String(60)),
    Column("closed_at", UtcDateTime),
    Column("captured", String(30), nullable=False),
    Column("told_at", UtcDateTime),
    Column("held_by", String(200)),
    Column("held_reason", Text),
    Column("held_at", UtcDateTime),
    Column("asked_on", Integer, nullable=False),
    Column("owner", String(200)),
    Column("severity", String(20), nullable=False),
    Column("acknowledged_by", String(200)),
    Column("acknowledged_at", UtcDateTime),
    Column("snoozed_until", UtcDateTime),
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
    Index(None, "closed_at"),
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
    Column("traceparent", String(60)),
    Column("event_id", String(255), nullable=False),
    Column("worker", String(255), nullable=False),
    Column("captured", String(30), nullable=False),
    Column("redelivery", Boolean, nullable=False),
    Column("started_at", UtcDateTime),
    Column("began_at", UtcDateTime, nullable=False),
    Column("why", Text, nullable=False),
    Column("ways", JSON, nullable=False),
    Column("reports", Integer, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Column("pending_since", UtcDateTime),
    Column("closed_at", UtcDateTime),
    Column("reason", Text),
    Column("openings", Integer, nullable=False),
    Column("attempts_before", Integer, nullable=False),
    Column("counted_as", String(30), nullable=False),
    Column("purged_at", UtcDateTime),
    # What it is searched by; `blocked` says what keeps its message from going out again, whatever the settings are.
    Column("queue", String(255)),
    Column("organization", String(255)),
    Column("expires_at", UtcDateTime),
    Column("blocked", String(20)),
    Column("arguments", JSON(none_as_null=True)),
    Index(None, "incident_id", "state", "occurred_at"),
    Index(None, "task_id"),
    Index(None, "command_release_id", "state", "occurred_at"),
    Index(None, "occurred_at"),
    Index(None, "closed_at"),
    Index(None, "pending_since"),
    Index(None, "captured", "occurred_at"),
)

# The arguments by which a failure may be searched, once more: `arguments` shows them, this finds them.
failure_arguments = Table(
    "failure_arguments",
    metadata,
    Column("failure_id", Uuid, ForeignKey("failures.id"), primary_key=True),
    Column("name", String(100), primary_key=True),
    Column("value", String(255), nullable=False),
    Index(None, "name", "value"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("event_id", String(255), primary_key=True),
    Column("failure_id", Uuid),
    Column("attempt_id", Uuid),
    Column("seen_at", UtcDateTime, nullable=False),
    # When a run that the broker had delivered again ended well: also where its failure is not known yet.
    Column("redelivered_at", UtcDateTime),
    Index(None, "failure_id"),
    Index(None, "seen_at"),
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
    Column("ramp", String(250), nullable=False, server_default=""),
    Column("forced", Boolean, nullable=False, server_default=false()),
    # What retention took with the rows of attempts, and the counts of a release still tell.
    Column("purged_first_attempts", Integer, nullable=False, default=0),
    Column("purged_first_successes", Integer, nullable=False, default=0),
    Column("purged_attempts", Integer, nullable=False, default=0),
    Column("purged_successes", Integer, nullable=False, default=0),
    Column("halted", String(20)),
    Column("newest", Boolean, nullable=False, server_default=false()),
    Index(None, "incident_id"),
    Index(None, "state"),
    Index(None, "command_id", "incident_id"),
)

dependencies = Table(
    "dependencies",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("health", String(20), nullable=False),
    Column("why", Text, nullable=False),
    Column("since", UtcDateTime),
    Column("successes", Float, nullable=False),
    Column("failures", Float, nullable=False),
    Column("live", Float, nullable=False),
    Column("seen_at", UtcDateTime),
    Column("live_at", UtcDateTime),
    Column("failed_at", UtcDateTime),
    Column("failed", BigInteger, nullable=False),
    Column("passed", BigInteger, nullable=False),
    Column("passes", BigInteger, nullable=False),
    Column("not_before", UtcDateTime),
    Column("tokens", Float),
    Column("filled_at", UtcDateTime),
    Column("held_by", String(200)),
    Column("held_reason", Text),
    Column("held_at", UtcDateTime),
    Column("probe_at", UtcDateTime),
    Column("probe_note", Text),
)

# What the releases to one dependency share; dropped when none of them is left.
ramps = Table(
    "ramps",
    metadata,
    Column("name", String(250), primary_key=True),
    Column("phase", String(20), nullable=False),
    Column("gate_at", UtcDateTime),
    Column("tries", Integer, nullable=False),
    Column("canary_release_id", Uuid),
    Column("canary_id", Uuid),
    Column("window", Float, nullable=False),
    Column("threshold", Float),
    Column("strikes", Integer, nullable=False),
    Column("clean", Integer, nullable=False),
    Column("why", Text),
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
    Column("turn", Integer, nullable=False),
    Column("plan", String(30), nullable=False),
    Column("state", String(20), nullable=False),
    Column("execution_id", String(64)),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("published_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("duplicates", Integer, nullable=False),
    Column("reason", Text),
    # Where it went, by the name of its target, and the whole decision; NULL where the plan sent it nowhere else.
    Column("route", String(200)),
    Column("decision", JSON(none_as_null=True)),
    Index(
        "ix_attempts_routed",
        "ended_at",
        sqlite_where=text("route IS NOT NULL"),
        postgresql_where=text("route IS NOT NULL"),
    ),
    Index("uq_attempts_number", "failure_id", "number", unique=True),
    Index(None, "release_id", "state"),
    Index(None, "state", "recorded_at"),
    # The newest outcomes, of some incidents and of all, are read by it alone.
    Index(None, "ended_at", "incident_id"),
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
    Column("purged", Boolean, nullable=False, default=False),
    # The incident whose trigger stands for this one, and what many signatures in a short time are counted by.
    Column("led_by", Uuid),
    Index(None, "state", "next_at"),
    Index(None, "incident_id"),
    Index(None, "sent_at"),
    Index(None, "led_by"),
)

# One row: how StackStorm was found when it was last asked, and the rules it had when it last answered.
stackstorm = Table(
    "stackstorm",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("rules", JSON),
    Column("answered_at", UtcDateTime),
    Column("away_since", UtcDateTime),
    Column("failed_at", UtcDateTime),
)

commands = Table(
    "commands",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("actor", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("failure_id", Uuid, ForeignKey("failures.id")),
    Column("incident_id", Uuid),
    Column("dependency", String(200)),
    Column("release_id", Uuid),
    Column("forced", Boolean, nullable=False),
    Column("before", JSON, nullable=False),
    Column("after", JSON, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "failure_id"),
    Index(None, "incident_id"),
    Index(None, "dependency"),
)

totals = Table(
    "totals",
    metadata,
    # Counts of rows that are gone, and what was measured last: what is shown is what is here and what the rows say.
    Column("name", String(40), primary_key=True),
    Column("key", String(100), primary_key=True),
    Column("number", BigInteger, nullable=False),
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

workers = Table(
    "workers",
    metadata,
    Column("boot", Uuid, primary_key=True),
    Column("worker", String(255), nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("stopped", Boolean, nullable=False),
    Column("children", JSON, nullable=False),
    Column("in_flight", Integer, nullable=False),
    Column("every_seconds", Float, nullable=False),
    Column("sent_at", UtcDateTime, nullable=False),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("last_seen", UtcDateTime, nullable=False),
    Column("idle_since", UtcDateTime),
    Column("spool_bytes", BigInteger, nullable=False, server_default="0"),
    Index(None, "worker"),
)

# One row: since when, and until when, the bus has been read to its end without a break.
bus_readings = Table(
    "bus_readings",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("since", UtcDateTime, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

# How runs of tasks that were sent as probes ended; whoever sent them looks here.
probe_ends = Table(
    "probe_ends",
    metadata,
    Column("run_id", Uuid, primary_key=True),
    Column("passed", Boolean, nullable=False),
    Column("why", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("retry_after", Float),
    Index(None, "at"),
)

leases = Table(
    "leases",
    metadata,
    Column("part", String(60), primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("expires_at", Float, nullable=False),
)
