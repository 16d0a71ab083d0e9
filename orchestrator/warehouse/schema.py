"""The warehouse's tables, and how to bring a database to them. Others read these: columns only ever get added.

Money is exact everywhere. PostgreSQL has NUMERIC(18, 10); SQLite would keep a binary float under that name, so there
the column is TEXT with always ten decimals, which adds up exactly once the point is taken out (see `queries`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

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
    Numeric,
    String,
    Table,
    Text,
    TypeDecorator,
    Uuid,
)

from orchestrator.stores import NAMING, Store, UtcDateTime

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

metadata = MetaData(naming_convention=NAMING)

# A ten-billionth of a US dollar, and the first amount that NUMERIC(18, 10) cannot hold.
SCALE: Final = Decimal("1e-10")
LIMIT_USD: Final = Decimal(10**8)


class Usd(TypeDecorator[Decimal]):
    """An amount of US dollars to ten decimals: NUMERIC(18, 10), on SQLite TEXT."""

    impl = Numeric(18, 10)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the type that is exact."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else Numeric(18, 10))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:  # noqa: ANN401 - SQLAlchemy's signature
        """Write all ten decimals out."""
        if value is None:
            return None
        amount = value.quantize(SCALE)
        return f"{amount:f}" if dialect.name == "sqlite" else amount

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ANN401, ARG002 - SQLAlchemy's signature
        """Read the amount back, digit by digit."""
        return None if value is None else Decimal(value)


EVENT_KEY: Final = Uuid(as_uuid=False).with_variant(String(36), "sqlite")

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
    Index(None, "created_at"),
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
    Index(None, "created_at"),
)

# Not a log: the sketches that the next prompts are compared with, the newest of them alone.
prompt_sketches = Table(
    "prompt_sketches",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("id", EVENT_KEY, nullable=False, unique=True),
    Column("prompt_hash", String(64), nullable=False),
    Column("scope", Text, nullable=False),
    Column("counts", LargeBinary, nullable=False),
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
    Index(None, "type", "time"),
)

STORE: Final = Store("warehouse", "orchestrator.warehouse:migrations", metadata)


def migrate(url: str) -> None:
    """Bring the warehouse's tables to the newest revision."""
    STORE.migrate(url)


def check(url: str) -> None:
    """Raise SchemaDiffers unless the database has the warehouse's tables as declared here."""
    STORE.check(url)
