"""What a failure can be searched by: its queue, its organisation, when it expires, the arguments its task allows.

And an index by which predictions find the newest outcomes.

Of rows that are there already, the queue and what keeps a message from going out again are read from the message.
When it expires is left unknown, as Celery's header may be tagged: whoever publishes such a message finds it out. They
have no organisation and no arguments: their events did not tell any.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

failures = sa.table(
    "failures",
    sa.column("message", sa.JSON()),
    sa.column("queue", sa.String()),
    sa.column("blocked", sa.String()),
)


def upgrade() -> None:
    # Column by column: SQLite makes a table anew for more than that, and others refer to this one.
    for name in ("queue", "organization"):
        op.add_column("failures", sa.Column(name, sa.String(255)))
    op.add_column("failures", sa.Column("expires_at", sa.DateTime(timezone=True)))
    op.add_column("failures", sa.Column("blocked", sa.String(20)))
    op.add_column("failures", sa.Column("arguments", sa.JSON()))
    op.create_table(
        "failure_arguments",
        sa.Column("failure_id", sa.Uuid(), sa.ForeignKey("failures.id"), primary_key=True),
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("value", sa.String(255), nullable=False),
    )
    op.create_index(op.f("ix_failure_arguments_name_value"), "failure_arguments", ["name", "value"])
    op.create_index(op.f("ix_attempts_ended_at_incident_id"), "attempts", ["ended_at", "incident_id"])
    _fill()


def _fill() -> None:
    message = failures.c.message
    queue = sa.func.coalesce(message["queue"].as_string(), sa.func.nullif(message["routing_key"].as_string(), ""))
    missing, resolvable = (
        sa.func.coalesce(message[name].as_boolean(), sa.false()) for name in ("missing", "resolvable")
    )
    redacted = sa.func.coalesce(message["redacted"].as_string(), "[]") != "[]"
    blocked = sa.case(
        (missing, "missing"),
        (sa.and_(redacted, sa.not_(resolvable)), "redacted"),
        (message["sealed"].as_string().is_not(None), "sealed"),
    )
    op.execute(sa.update(failures).values(queue=sa.func.substr(queue, 1, 255), blocked=blocked))


def downgrade() -> None:
    op.drop_index(op.f("ix_attempts_ended_at_incident_id"), "attempts")
    op.drop_table("failure_arguments")
    for name in ("arguments", "blocked", "expires_at", "organization", "queue"):
        op.drop_column("failures", name)
