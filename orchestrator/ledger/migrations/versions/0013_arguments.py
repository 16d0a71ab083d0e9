"""What a failure can be searched by: its queue, its organisation, the arguments that its task allows."""

from __future__ import annotations

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
