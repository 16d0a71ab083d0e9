"""The part that counts the hours of costs afresh whose rows changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.bootstrap.supervisor import Loop
from orchestrator.domain.errors import RedriveError
from orchestrator.warehouse.rollups import AT_ONCE, refresh
from orchestrator.warehouse.schema import STORE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine

    from orchestrator.bootstrap.leadership import Leadership

# Seconds between two looks: an hour that is under way is counted whole each time.
EVERY: Final = 30.0


def rollups_loop(urls: Sequence[str], leadership: Leadership | None = None) -> Loop:
    """Make the loop over the warehouses at these addresses, each of which has been migrated."""
    engines = [STORE.open(url) for url in urls]
    return Loop("rollups", lambda: 0.0 if _refresh_each(engines) >= AT_ONCE else EVERY, leadership)


def _refresh_each(engines: Sequence[Engine]) -> int:
    """Say how many hours were counted where most were; one warehouse that fails is told of after all the others."""
    most, fault = 0, None
    for engine in engines:
        try:
            most = max(most, refresh(engine))
        except RedriveError as error:
            fault = fault or error
    if fault is not None:
        raise fault
    return most
