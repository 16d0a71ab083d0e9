"""The warehouse's tables, and how to bring a database to them. Others read these: columns only ever get added.

Money is exact everywhere. PostgreSQL has NUMERIC(18, 10); SQLite would keep a binary float under that name, so there
the column is TEXT with always ten decimals, which adds up exactly once the point is taken out (see `queries`).
"""

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
    Numeric,
    String,
    Table,
    Text,
)

from eventbus.wire import TOKEN_CLASSES
from orchestrator.stores import Store, UtcDateTime
from orchestrator.warehouse.columns import EVENT_KEY, Usd, about, metadata
from orchestrator.warehouse.loadtests import FIGURES

# Sums of numbers of 64 bits: SQLite has no longer ones.
SUM: Final = Numeric(38, 0).with_variant(BigInteger, "sqlite")

# The id of every row is the event's row key: the same event loaded twice is one row.
model_cost_logs = Table(
    "model_cost_logs",
    metadata,
    Column("id", EVENT_KEY, primary_key=True),
    Column("agent_id", Text),
    Column("workflow_execution_id", Text),
    Column("node_id", Text),
    Column("model", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("tokens_input", BigInteger, nullable=False),
    Column("tokens_output", BigInteger, nullable=False),
    Column("usd_cost", Usd),
    Column("created_at", UtcDateTime, nullable=False),
    Column("pricing_status", String(20), nullable=False),
    Column("pricing_version", Text),
    Column("event_source", Text, nullable=False),
    Column("organization_id", Text),
    Column("user_id", Text),
    Column("request_id", Text),
    Column("task_id", Text),
    Column("response_id", Text),
    Column("duration_seconds", Double),
    # Parts of the input and of the output, NULL where the event did not tell them.
    *(Column(name, BigInteger) for name in TOKEN_CLASSES),
    *about("organization_id", "user_id", "agent_id", "workflow_execution_id", "node_id", "request_id", "task_id"),
    Index(None, "created_at"),
    # Postmortems and alerts ask what the calls of some tasks cost.
    Index(None, "task_id"),
)

# The score is that of the likest prompt before it, in the same organisation; NULL where there was none to compare with.
prompt_sim_logs = Table(
    "prompt_sim_logs",
    metadata,
    Column("id", EVENT_KEY, primary_key=True),
    Column("prompt_hash", String(64), nullable=False),
    Column("similarity_score", Double),
    Column("matched_prompt_hash", String(64)),
    Column("blocked", Boolean, nullable=False),
    Column("user_id", Text),
    Column("organization_id", Text),
    Column("created_at", UtcDateTime, nullable=False),
    # What made the vector that was scored; NULL for the sketch.
    Column("embedder", Text),
    *about("user_id", "organization_id"),
    Index(None, "created_at"),
)

# Not a log: the sketches and vectors that the next prompts are compared with, the newest of them alone.
prompt_sketches = Table(
    "prompt_sketches",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("id", EVENT_KEY, nullable=False, unique=True),
    Column("prompt_hash", String(64), nullable=False),
    Column("scope", Text, nullable=False),
    Column("counts", LargeBinary, nullable=False),
    Column("embedder", Text),
    Column("vector", LargeBinary),
    sqlite_autoincrement=True,
)

governance_events = Table(
    "governance_events",
    metadata,
    Column("id", EVENT_KEY, primary_key=True),
    Column("event_type", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("user_id", Text),
    Column("organization_id", Text),
    # JSON as text: PostgreSQL's own type would refuse characters that JSON allows.
    Column("details", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    *about("user_id", "organization_id"),
    Index(None, "created_at"),
)

# One row for each event that the warehouse takes, those that have a table of their own too.
event_logs = Table(
    "event_logs",
    metadata,
    Column("id", EVENT_KEY, primary_key=True),
    Column("type", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("time", UtcDateTime, nullable=False),
    Column("subject", Text),
    Column("traceparent", Text),
    Column("data", Text, nullable=False),
    *about(),
    Column("usd_cost", Usd),
    Column("similarity_score", Double),
    Column("policy", Text),
    Column("action", Text),
    Index(None, "type", "time"),
)

# One row for each attempt of a task that Redrive heard of: a run that failed (number 0), and each redrive (from 1).
# The id is the redrive's, that of the failure for the run that nobody redrove. See `runs` for what several events make.
code_exec_logs = Table(
    "code_exec_logs",
    metadata,
    Column("id", EVENT_KEY, primary_key=True),
    Column("task", Text),
    Column("number", BigInteger),
    Column("retries", BigInteger),
    Column("outcome", String(20)),
    Column("captured", Text),
    Column("error_type", Text),
    Column("error_status", BigInteger),
    Column("error_code", Text),
    Column("dependency", Text),
    Column("plan", Text),
    Column("worker", Text),
    Column("failure_id", Text),
    Column("attempt_id", Text),
    Column("release_id", Text),
    Column("execution_id", Text),
    Column("started_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("duration_seconds", Double),
    Column("created_at", UtcDateTime, nullable=False),
    *about(),
    Index(None, "created_at"),
    Index(None, "task_id"),
)

# One row for each thing that was decided or commanded, and for each amount that was changed afterwards.
audit_logs = Table(
    "audit_logs",
    metadata,
    Column("id", EVENT_KEY, primary_key=True),
    Column("what", Text, nullable=False),
    Column("actor", Text),
    Column("reason", Text),
    Column("dependency", Text),
    Column("release_id", Text),
    Column("failure_id", Text),
    Column("forced", Boolean),
    Column("policy", Text),
    Column("action", Text),
    Column("usd_cost", Usd),
    Column("similarity_score", Double),
    Column("details", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    *about(),
    Index(None, "created_at"),
)

# One row for each run of a load test; the figures that have columns are those of `loadtests.FIGURES`.
loadtest_runs = Table(
    "loadtest_runs",
    metadata,
    Column("id", EVENT_KEY, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("scenario", Text, nullable=False),
    Column("engines", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("exit_code", BigInteger, nullable=False),
    Column("machine", Text, nullable=False),
    Column("commit_id", Text),
    Column("dirty", Boolean),
    Column("sabotage", Text),
    Column("report_url", Text),
    Column("missed", Text, nullable=False),
    Column("slower", Text, nullable=False),
    Column("started_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("seconds", Double),
    Column("created_at", UtcDateTime, nullable=False),
    Column("gates", Text, nullable=False),
    Column("figures", Text, nullable=False),
    Column("control", Text, nullable=False),
    Column("versions", Text, nullable=False),
    *(Column(name, Double) for name in FIGURES),
    *about(),
    Index(None, "created_at"),
)

# What the calls of an hour cost, counted from `model_cost_logs`; see `rollups`.
cost_hours = Table(
    "cost_hours",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("hour", UtcDateTime, nullable=False),
    Column("organization_id", Text),
    Column("agent_id", Text),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("calls", BigInteger, nullable=False),
    Column("tokens_input", SUM, nullable=False),
    Column("tokens_output", SUM, nullable=False),
    Column("usd_cost", Usd(28)),
    Column("unpriced", BigInteger, nullable=False),
    Index(None, "hour"),
)

# Hours of which rows came since they were counted: one row a batch, so that nobody waits for whoever counts.
stale_hours = Table(
    "stale_hours",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("hour", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)

STORE: Final = Store("warehouse", "orchestrator.warehouse:migrations", metadata)


def migrate(url: str) -> None:
    """Bring the warehouse's tables to the newest revision."""
    STORE.migrate(url)


def check(url: str) -> None:
    """Raise SchemaDiffers unless the database has the warehouse's tables as declared here."""
    STORE.check(url)
