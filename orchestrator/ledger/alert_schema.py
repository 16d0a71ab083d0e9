"""The ledger's tables of alerts: who was told of what, when, and who has answered."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, Index, Integer, String, Table, Uuid

from orchestrator.ledger.schema import metadata
from orchestrator.stores import UtcDateTime

# The name of a ladder, a level or a target of the settings.
LONGEST_NAME = 30

alerts = Table(
    "alerts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("ladder", String(LONGEST_NAME), nullable=False),
    Column("dependency", String(200)),
    Column("state", String(20), nullable=False),
    Column("severity", String(20), nullable=False),
    Column("level", Integer, nullable=False),
    Column("asked_level", Integer, nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("climbs_from", UtcDateTime, nullable=False),
    Column("joined_at", UtcDateTime),
    Column("raised", JSON, nullable=False),
    Column("targets", JSON, nullable=False),
    Column("owed", JSON, nullable=False),
    Column("told", JSON(none_as_null=True)),
    Column("pages", Integer, nullable=False),
    Column("events", Integer, nullable=False),
    Column("reopened", Integer, nullable=False),
    Column("incidents", Integer, nullable=False),
    Column("acknowledged_at", UtcDateTime),
    Column("acknowledged_by", String(200)),
    Column("resolved_at", UtcDateTime),
    Column("seconds_to_acknowledge", Float),
    Column("seconds_to_resolve", Float),
    Column("next_at", UtcDateTime),
    Index(None, "next_at"),
    Index(None, "state", "began_at"),
    Index(None, "dependency", "state"),
    Index(None, "resolved_at"),
)

# One row for each incident that was looked at; without an alert where nobody is to be told of it. No foreign key to
# incidents: their rows go first.
alert_incidents = Table(
    "alert_incidents",
    metadata,
    Column("incident_id", Uuid, primary_key=True),
    Column("alert_id", Uuid),
    Column("revision", Integer, nullable=False),
    Column("look_again_size", Integer, nullable=False),
    Column("closed", Boolean, nullable=False),
    Index(None, "alert_id"),
    Index(None, "closed"),
)

# How often each level was told, by its name: only grows.
alert_pages = Table(
    "alert_pages",
    metadata,
    Column("alert_id", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", String(LONGEST_NAME), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index(None, "name"),
)
