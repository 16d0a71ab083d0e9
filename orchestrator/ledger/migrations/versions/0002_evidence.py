"""What the reports of a failure say, when it closed, its openings; counts that outlive their rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from orchestrator.stores import UtcDateTime

revision = "0002"
down_revision = "0001"

TIME = sa.DateTime(timezone=True)
# SQLite adds no column that may not be NULL without a value for the rows that are there; they get their own below.
NEVER = "1970-01-01 00:00:00+00:00"
UNTIL_NOW = "exception"
INDEXES = (
    ("incidents", "closed_at"),
    ("failures", "closed_at"),
    ("failures", "pending_since"),
    ("evidence", "failure_id"),
    ("evidence", "seen_at"),
    ("commands", "failure_id"),
)
ADDED = {
    "incidents": "captured told_at",
    "failures": "captured redelivery started_at began_at why ways reports last_seen_at pending_since closed_at reason "
    "openings attempts_before counted_as purged_at",
    "evidence": "seen_at redelivered_at",
    "attempts": "turn",
    "releases": "purged_first_attempts purged_first_successes purged_attempts purged_successes",
}


def upgrade() -> None:
    _incidents()
    _failures()
    _evidence()
    _attempts_and_releases()
    op.create_table(
        "totals",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "key", name=op.f("pk_totals")),
    )
    for table, column in INDEXES:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)


def _add(table: str, name: str, kind: sa.types.TypeEngine[Any], first: str | None = None) -> None:
    op.add_column(table, sa.Column(name, kind, nullable=first is None, server_default=first))


def _incidents() -> None:
    _add("incidents", "captured", sa.String(length=30), UNTIL_NOW)
    _add("incidents", "told_at", TIME)
    op.execute(sa.text("UPDATE incidents SET told_at = opened_at"))


def _failures() -> None:
    for name in ("started_at", "pending_since", "closed_at", "purged_at"):
        _add("failures", name, TIME)
    for name in ("began_at", "last_seen_at"):
        _add("failures", name, TIME, NEVER)
    for name, first in (("reports", "1"), ("openings", "1"), ("attempts_before", "0")):
        _add("failures", name, sa.Integer(), first)
    for name, first in (("captured", UNTIL_NOW), ("counted_as", "unknown")):
        _add("failures", name, sa.String(length=30), first)
    op.add_column("failures", sa.Column("redelivery", sa.Boolean(), nullable=False, server_default=sa.false()))
    _add("failures", "ways", sa.JSON(), f'["{UNTIL_NOW}"]')
    _add("failures", "why", sa.Text(), "")
    _add("failures", "reason", sa.Text())
    _tell_failures()


def _tell_failures() -> None:
    """Say of the failures that are there what was known of them; those that have closed closed at the latest now."""
    told = ["kind", "occurred_at", "began_at", "last_seen_at", "counted_as", "state", "incident_id"]
    columns = [*map(sa.column, told), sa.column("why"), sa.column("closed_at", UtcDateTime())]
    failures = sa.table("failures", *columns)
    incidents = sa.table("incidents", sa.column("id"), sa.column("why"))
    why = sa.select(incidents.c.why).where(incidents.c.id == failures.c.incident_id).scalar_subquery()
    seen = failures.c.occurred_at
    op.execute(failures.update().values(began_at=seen, last_seen_at=seen, counted_as=failures.c.kind, why=why))
    closed = failures.c.state.in_(["recovered", "discarded", "dead"])
    op.execute(failures.update().where(closed).values(closed_at=datetime.now(UTC)))


def _evidence() -> None:
    _add("evidence", "seen_at", TIME, NEVER)
    _add("evidence", "redelivered_at", TIME)
    evidence = sa.table("evidence", sa.column("seen_at", UtcDateTime()))
    op.execute(evidence.update().values(seen_at=datetime.now(UTC)))


def _attempts_and_releases() -> None:
    _add("attempts", "turn", sa.Integer(), "0")
    op.execute(sa.text("UPDATE attempts SET turn = number"))
    for name in ADDED["releases"].split():
        _add("releases", name, sa.Integer(), "0")


def downgrade() -> None:
    for table, column in INDEXES:
        op.drop_index(op.f(f"ix_{table}_{column}"), table)
    op.drop_table("totals")
    for table, names in ADDED.items():
        for name in names.split():
            op.drop_column(table, name)
