"""How a recovery ends by itself: with the last of its releases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.domain.recoveries import RecoveryStep, stepped

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.release import Release


def release_over(tx: LedgerTx, release: Release, now: datetime) -> None:
    """Note what a person's release that has ended leaves behind; where it was its recovery's last, that is done."""
    if release.command_id is None:
        return
    tx.settle_releases([release.id])
    recovery = tx.recovery(release.command_id)
    if recovery is None or recovery.over or tx.runs_for(release.command_id):
        return
    done = stepped(recovery, RecoveryStep.END, now)
    tx.save_recovery(replace(done, note=release.note or done.note))
