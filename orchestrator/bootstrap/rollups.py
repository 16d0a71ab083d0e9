"""The part that counts the hours of costs afresh whose rows changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.bootstrap.supervisor import Loop
from orchestrator.warehouse.rollups import AT_ONCE, refresh

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from orchestrator.bootstrap.leadership import Leadership

# Seconds between two looks: an hour that is under way is counted whole each time.
EVERY: Final = 30.0


def rollups_loop(warehouse: Engine, leadership: Leadership) -> Loop:
    """Make the loop."""
    return Loop("rollups", lambda: 0.0 if refresh(warehouse) >= AT_ONCE else EVERY, leadership)
