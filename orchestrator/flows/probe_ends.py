"""Ends of tasks that were sent as probes: workers tell them as they tell an attempt's, and no work hangs on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.domain.probes import ProbeEnd

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.domain.failures import Failure
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.flows.reading import AttemptEnded

LONGEST_WHY: Final = 300


def probe_failed(tx: LedgerTx, failure: Failure, now: datetime) -> None:
    """Note that a probe's run ended badly; one that the broker will deliver again has not ended."""
    if failure.attempt_id is not None and not failure.redelivery:
        error = failure.exception
        why = f"the task failed: {error.type}: {error.message}"[:LONGEST_WHY]
        end = ProbeEnd(passed=False, why=why, at=now, retry_after=error.retry_after)
        tx.add_probe_end(failure.attempt_id, end)


def probe_ended(tx: LedgerTx, ended: AttemptEnded, now: datetime) -> None:
    """Note that a probe's run ended well; a bad end is told with its reason by the failure that goes with it."""
    if ended.succeeded:
        tx.add_probe_end(ended.attempt_id, ProbeEnd(passed=True, why="the task succeeded", at=now))
