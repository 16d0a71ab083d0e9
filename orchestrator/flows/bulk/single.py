"""One failure that a person names: which it is, and whether it can go now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.domain.eligibility import expired, refusal_of
from orchestrator.domain.errors import Conflict, NotFound, NotRedrivable
from orchestrator.domain.failures import FailureState

if TYPE_CHECKING:
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.searching import Judging
    from orchestrator.domain.standing import StoredFailure
    from orchestrator.flows.bulk.asking import RetryRequest


def asked_for(tx: LedgerTx, request: RetryRequest) -> StoredFailure:
    """Find the failure that a person means; raises NotFound."""
    if request.failure_id is not None:
        stored = tx.failure(request.failure_id)
        key = str(request.failure_id)
    else:
        stored = tx.failure_of_task(request.task_id or "")
        key = str(request.task_id)
    if stored is None:
        raise NotFound("failure", key)
    return stored


def refuse(tx: LedgerTx, stored: StoredFailure, judging: Judging) -> None:
    """Raise Conflict for a failure that cannot go now, NotRedrivable for one whose message cannot go out again."""
    refuse_unmovable(tx, stored)
    message = stored.failure.message
    why = refusal_of(message, keys_known=judging.keys_known) or expired(message, judging.now)
    if why:
        raise NotRedrivable(why)


def refuse_unmovable(tx: LedgerTx, stored: StoredFailure) -> None:
    """Raise Conflict for a failure that cannot go now: on its way, over, the broker's, or asked for already."""
    if stored.state is FailureState.REDELIVERY_PENDING and stored.pending_since:
        raise Conflict(
            "expected a failure whose message is gone from the broker, got one whose message it still holds, since "
            f"{stored.pending_since.isoformat()}; this ends when the message has been delivered again and that run has "
            "ended, or after REDRIVE_REDELIVERY_GRACE seconds, when it is settled without it; ask again then"
        )
    if stored.state not in (FailureState.HELD, FailureState.DEAD):
        raise Conflict(f"expected a failure that is held or dead, got one that is {stored.state}; see its attempts")
    if stored.command_release_id is None:
        return
    release = tx.release(stored.command_release_id)
    if release and not release.ended:
        raise Conflict(f"expected a failure that nobody has asked for yet, got one that release {release.id} holds")
