"""The ledger's tables of recoveries of many failures at once, and of what became of each failure."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, Uuid

from orchestrator.ledger.schema import metadata
from orchestrator.stores import UtcDateTime

recoveries = Table(
    "recoveries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("state", String(20), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("command", String(20), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("selection", JSON, nullable=False),
    Column("plan", JSON, nullable=False),
    Column("forced", Boolean, nullable=False),
    Column("order", String(10), nullable=False),
    Column("limit", Integer),
    Column("edits", JSON, nullable=False),
    Column("incident_id", Uuid),
    Column("failure_id", Uuid),
    Column("prediction", JSON(none_as_null=True)),
    Column("ended_at", UtcDateTime),
    Column("note", Text),
    # What retention took with the rows of items, by their outcome, and the progress still tells.
    Column("purged", JSON, nullable=False),
    Index(None, "created_at"),
    Index(None, "state"),
)

# What stands here outlives the failure: no reference to it. `outcome` is NULL while the failure is the recovery's, and
# is written once; `taken_from` and `reason` are how it stood before.
recovery_items = Table(
    "recovery_items",
    metadata,
    Column("recovery_id", Uuid, ForeignKey("recoveries.id"), primary_key=True),
    Column("failure_id", Uuid, primary_key=True),
    Column("incident_id", Uuid, nullable=False),
    Column("release_id", Uuid),
    Column("taken_from", String(20), nullable=False),
    Column("reason", Text),
    Column("outcome", String(20)),
    Index(None, "failure_id"),
    Index(None, "release_id", "outcome"),
)
