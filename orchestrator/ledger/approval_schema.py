"""The ledger's table of what a person is asked to agree to."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, Uuid

from orchestrator.ledger.schema import metadata
from orchestrator.stores import UtcDateTime

approvals = Table(
    "approvals",
    metadata,
    Column("recovery_id", Uuid, primary_key=True),
    Column("asked_by", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Column("otherwise", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("decided_by", String(200)),
    Column("decided_reason", Text),
    Column("decided_at", UtcDateTime),
    Column("inquiry_id", String(64)),
    Column("told", Boolean, nullable=False),
    Column("tell_at", UtcDateTime),
    Column("tries", Integer, nullable=False),
    Column("note", Text),
    Index(None, "asked_at"),
    Index(None, "state", "until"),
    Index(None, "tell_at"),
)
