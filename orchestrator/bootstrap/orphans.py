"""The search for orphans as a part: the result backend that the settings name, and how fast it may be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from orchestrator.bootstrap.supervisor import Loop
from orchestrator.bus.results import WHAT, ResultsRefused, open_results
from orchestrator.domain.errors import DependencyUnreachable, SettingsInvalid
from orchestrator.flows.orphans import Orphans
from orchestrator.flows.redeliveries import Redeliveries
from orchestrator.flows.witnesses import Times

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from typing import Any

    from orchestrator.bootstrap.leadership import Leadership
    from orchestrator.domain.ledger import Ledger
    from orchestrator.domain.ports import Results
    from orchestrator.settings import Settings

log = structlog.get_logger("redrive")


def results_of(settings: Settings) -> Results:
    """Open the result backend that the settings name; raises SettingsInvalid for one that cannot be read."""
    url = settings.result_backend_url
    try:
        return open_results(
            url.get_secret_value() if url else None,
            key_prefix=settings.result_key_prefix,
            table=settings.result_table,
        )
    except ResultsRefused as error:
        raise SettingsInvalid(str(error)) from None


def backend_ready(results: Results) -> None:
    """Raise DependencyUnreachable while the result backend does not answer."""
    results.state_of(["redrive-readyz"])


def orphans_loop(
    settings: Settings,
    ledger: Ledger,
    lead: Leadership,
    take_in: Callable[[Sequence[bytes]], Any],
    clock: Callable[[], datetime],
) -> Loop:
    """Make the loop that looks for orphans, as fast as the settings let it read."""
    results = results_of(settings)
    if results.blind:
        log.info("results.unseen", why=results.blind)
    times = Times(settings.lost_after, settings.redelivery_grace, settings.worker_slack)
    orphans = Orphans(ledger, results, take_in, clock, times)
    redeliveries = Redeliveries(ledger, results, clock, times)
    return Loop("orphans", _paced(orphans, redeliveries, settings.result_rate, settings.orphan_every), lead)


def _paced(orphans: Orphans, redeliveries: Redeliveries, rate: float, every: float) -> Callable[[], float]:
    """Read so many keys a second, and rest after each round; while the backend is away, say so once and go on.

    Redeliveries that never came are settled all the while, a page in each step.
    """
    away: list[str] = []

    def step() -> float:
        settled = redeliveries.run_once()
        try:
            looked = orphans.run_once()
        except DependencyUnreachable as error:
            if error.what != WHAT:
                raise
            if not away:
                log.warning("results.unreachable", error=str(error), again_in=every)
            away[:] = [str(error)]
            return every
        if away:
            away.clear()
            log.info("results.reached")
        wait = (looked.read + settled.read) / rate
        return max(every, wait) if looked.over else wait

    return step
