"""What a person is asked to agree to: asked, decided once, and told to StackStorm, which asked too. Decisions only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from orchestrator.domain.backoff import Backoff
from orchestrator.domain.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

NOBODY: Final = "nobody in time"
TELL_AGAIN: Final = Backoff(base=1.0, cap=300.0)
# An inquiry that could not be answered for so long after its recovery was decided is left to its own time-out.
GIVEN_UP_AFTER: Final = timedelta(days=7)


class ApprovalState(StrEnum):
    """Whether somebody has decided: not yet, for it, or against it."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"


class Otherwise(StrEnum):
    """What is done when nobody decides in time."""

    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Approval:
    """A recovery that waits for a person until a time, or what was decided of it, by whom and why.

    `failures` is what the dry run counted when it was asked. `inquiry_id` is the inquiry by which StackStorm asks too:
    once decided it is answered at `tell_at`, again after each failure, until it is `told`.
    """

    recovery_id: UUID
    asked_by: str
    reason: str
    failures: int
    asked_at: datetime
    until: datetime
    otherwise: Otherwise
    state: ApprovalState = ApprovalState.WAITING
    decided_by: str | None = None
    decided_reason: str | None = None
    decided_at: datetime | None = None
    inquiry_id: str | None = None
    told: bool = False
    tell_at: datetime | None = None
    tries: int = 0
    note: str | None = None

    @property
    def approved(self) -> bool:
        """Tell whether it was agreed to."""
        return self.state is ApprovalState.APPROVED


def decided(approval: Approval, *, approve: bool, by: str, reason: str, now: datetime) -> Approval:
    """Decide, once: raises Conflict, saying who did, for one that is decided, and for an answer after its time."""
    refuse_late(approval, by, now)
    state = ApprovalState.APPROVED if approve else ApprovalState.REJECTED
    return replace(approval, state=state, decided_by=by, decided_reason=reason, decided_at=now, tell_at=now)


def refuse_late(approval: Approval, by: str, now: datetime) -> None:
    """Raise Conflict for an answer that comes after another one, or after the time that there was."""
    look = f"this answer changes nothing; look at it: redrive approvals list --state {approval.state}"
    if approval.state is not ApprovalState.WAITING:
        at = approval.decided_at.isoformat() if approval.decided_at else "before"
        raise Conflict(
            f"expected a recovery that waits for consent, got one that {approval.decided_by} has {approval.state} at "
            f"{at}; {look}"
        )
    if by != NOBODY and now >= approval.until:
        raise Conflict(
            f"expected an answer before {approval.until.isoformat()}, got one after it, when the answer is "
            f"'{approval.otherwise}'; {look}"
        )


def withdrawn(approval: Approval, by: str, reason: str, now: datetime) -> Approval:
    """Note that somebody ended the recovery by other means than an answer: that it is rejected, whatever the time."""
    state = ApprovalState.REJECTED
    return replace(approval, state=state, decided_by=by, decided_reason=reason, decided_at=now, tell_at=now)


def asked_by_inquiry(approval: Approval, inquiry_id: str, now: datetime) -> Approval:
    """Note which inquiry asks as well; where it is decided already, that is answered at once. The newest one counts."""
    if approval.inquiry_id == inquiry_id:
        return approval
    tell_at = None if approval.state is ApprovalState.WAITING else now
    return replace(approval, inquiry_id=inquiry_id, told=False, tell_at=tell_at, tries=0, note=None)


def inquiry_told(approval: Approval, note: str) -> Approval:
    """Note that StackStorm's inquiry has its answer, or waits no longer, as `note` says."""
    return replace(approval, told=True, tell_at=None, note=note)


def inquiry_untold(approval: Approval, why: str, now: datetime) -> Approval:
    """Note why StackStorm could not be told, and when it is tried again; after seven days it is left at that."""
    if approval.decided_at and now - approval.decided_at > GIVEN_UP_AFTER:
        return inquiry_told(approval, f"given up: {why}")
    later = now + timedelta(seconds=TELL_AGAIN.seconds(approval.tries, jitter=0))
    return replace(approval, tell_at=later, tries=approval.tries + 1, note=why)


class ApprovingTx(Protocol):
    """What a transaction on the ledger can do for what a person is asked to agree to."""

    def save_approval(self, approval: Approval) -> None:
        """Store an approval, in the place of what was."""

    def approval(self, recovery_id: UUID) -> Approval | None:
        """Look up what is asked about a recovery."""

    def approvals(self, states: Sequence[ApprovalState], limit: int, after: Approval | None = None) -> list[Approval]:
        """List approvals in these states (all when empty), newest first, behind `after`."""

    def lapsed_approvals(self, now: datetime, limit: int) -> list[Approval]:
        """List the approvals that nobody has decided and whose time is over, oldest first."""

    def untold_approvals(self, now: datetime, limit: int) -> list[Approval]:
        """List the decided approvals whose inquiry is to be answered now."""
