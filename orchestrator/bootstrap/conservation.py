"""The reconciler as a part: the leader looks whether one is due or asked for, and says what it found."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from orchestrator.bootstrap.supervisor import Loop
from orchestrator.flows.conservation import Conserver, Pattern

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from orchestrator.bootstrap.leadership import Leadership
    from orchestrator.domain.conservation import Reconciliation
    from orchestrator.domain.ledger import Ledger
    from orchestrator.flows.desk import Desk
    from orchestrator.settings import Settings

log = structlog.get_logger("redrive.conservation")
BETWEEN_LOOKS: Final = 5.0


def conservation_loop(
    settings: Settings, desk: Desk, ledger: Ledger, lead: Leadership, clock: Callable[[], datetime]
) -> Loop:
    """Make the loop that holds what was delivered against what each store has."""
    seconds = (settings.reconcile_every, settings.reconcile_back, settings.reconcile_lag)
    pattern = Pattern(*(timedelta(seconds=each) for each in seconds))
    conserver = Conserver(desk.reconciliations, desk.replays, ledger, desk.holders, pattern)

    def step() -> float:
        done = conserver.run_once(clock())
        if done is None:
            return BETWEEN_LOOKS
        _tell(done)
        return 0.0

    return Loop("conservation", step, lead)


def _tell(done: Reconciliation) -> None:
    told = {"sink": done.sink, "since": done.since, "until": done.until, "checked": done.checked}
    if done.missing:
        log.error("gap.found", missing=done.missing, sent=done.sent, replay_id=str(done.replay_id), **told)
    else:
        log.info("sink.reconciled", **told)
