"""Retention as a part: the leader purges in small batches, and measures the tables now and then."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog

from orchestrator.bootstrap.supervisor import Loop
from orchestrator.domain.retention import Keep
from orchestrator.flows.retention import Retention

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from orchestrator.bootstrap.leadership import Leadership
    from orchestrator.bus.opening import Opener
    from orchestrator.domain.ledger import Ledger
    from orchestrator.settings import Settings

log = structlog.get_logger("redrive.retention")
# Seconds: between two batches, so that others get their turn; between two looks; how long a lead is kept for the next.
BETWEEN_BATCHES: Final = 0.1
BETWEEN_LOOKS: Final = 60.0
BETWEEN_MEASURES: Final = 300.0
AWAKE: Final = 1.0


def retention_loop(
    settings: Settings, ledger: Ledger, lead: Leadership, clock: Callable[[], datetime], opener: Opener
) -> Loop:
    """Make the loop that purges what the settings let go, the stored bodies of large messages too."""
    days = (settings.retention_bodies_days, settings.retention_rows_days)
    keep = Keep(bodies=timedelta(days=days[0]), rows=timedelta(days=days[1]))
    return Loop("retention", paced(Retention(ledger, clock, keep, partial(_forget, opener)), clock), lead)


def _forget(opener: Opener, claim: Mapping[str, Any]) -> bool:
    try:
        return opener.delete(claim)
    except Exception as error:  # noqa: BLE001 - whatever a store's client raises: a body that stays hurts nobody
        log.warning("claim.not_deleted", url=str(claim.get("url")), error=repr(error))
        return True


def paced(retention: Retention, clock: Callable[[], datetime]) -> Callable[[], float]:
    """Step while there is something to purge, then rest; the lead is kept meanwhile."""
    due = {"look": clock(), "measure": clock()}

    def step() -> float:
        now = clock()
        if now >= due["measure"]:
            retention.measure()
            due["measure"] = now + timedelta(seconds=BETWEEN_MEASURES)
        if now < due["look"]:
            return AWAKE
        if retention.run_once():
            return BETWEEN_BATCHES
        due["look"] = now + timedelta(seconds=BETWEEN_LOOKS)
        return AWAKE

    return step
