"""What every ledger does with approvals: rows that come back as they were, and the few that are due."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from orchestrator.domain.approving import Approval, ApprovalState, Otherwise

if TYPE_CHECKING:
    from orchestrator.ledger.sql import SqlLedger

NIGHT = datetime(2026, 11, 29, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)


def approval(hours: int = 0) -> Approval:
    """Make one that was asked so many hours after NIGHT, and waits for an hour."""
    asked = NIGHT + hours * HOUR
    return Approval(uuid4(), "ada", "{{ why }} \u202e", 7, asked, asked + HOUR, Otherwise.REJECT)


def test_an_approval_comes_back_as_it_was(ledger: SqlLedger) -> None:
    """Each part of it, and once more after a change."""
    made = approval()
    changed = replace(
        made, state=ApprovalState.APPROVED, otherwise=Otherwise.APPROVE, decided_by="bob", decided_reason="so",
        decided_at=NIGHT, inquiry_id="i", told=True, tell_at=NIGHT, tries=3, note="n",
    )  # fmt: skip
    with ledger.transaction() as tx:
        tx.save_approval(made)
        assert tx.approval(made.recovery_id) == made
        tx.save_approval(changed)
    with ledger.reading() as tx:
        assert tx.approval(made.recovery_id) == changed
        assert tx.approval(uuid4()) is None


def test_approvals_are_listed_newest_first_and_in_pages(ledger: SqlLedger) -> None:
    """The page behind one begins with the next older; states narrow it."""
    made = [approval(number) for number in range(3)]
    with ledger.transaction() as tx:
        for each in made:
            tx.save_approval(each)
    with ledger.reading() as tx:
        assert tx.approvals([], 2) == [made[2], made[1]]
        assert tx.approvals([], 2, made[1]) == [made[0]]
        assert tx.approvals([ApprovalState.WAITING], 9) == made[::-1]
        assert tx.approvals([ApprovalState.REJECTED], 9) == []


def test_those_whose_time_is_over_are_found(ledger: SqlLedger) -> None:
    """Undecided ones alone, the oldest first, at their moment and not before."""
    first, second, late = approval(0), approval(1), approval(9)
    over = replace(approval(0), state=ApprovalState.REJECTED)
    with ledger.transaction() as tx:
        for each in (late, second, first, over):
            tx.save_approval(each)
    with ledger.reading() as tx:
        assert tx.lapsed_approvals(NIGHT + HOUR - timedelta(seconds=1), 9) == []
        assert tx.lapsed_approvals(NIGHT + HOUR, 9) == [first]
        assert tx.lapsed_approvals(NIGHT + 2 * HOUR, 9) == [first, second]


def test_those_that_stackstorm_is_to_be_told_of_are_found(ledger: SqlLedger) -> None:
    """Decided, with an inquiry, not told yet, and due."""
    due = replace(approval(), state=ApprovalState.APPROVED, inquiry_id="i", tell_at=NIGHT)
    others = [
        replace(due, recovery_id=uuid4(), inquiry_id=None),
        replace(due, recovery_id=uuid4(), told=True),
        replace(due, recovery_id=uuid4(), tell_at=NIGHT + HOUR),
        replace(due, recovery_id=uuid4(), state=ApprovalState.WAITING),
        replace(due, recovery_id=uuid4(), tell_at=None),
    ]
    with ledger.transaction() as tx:
        for each in (*others, due):
            tx.save_approval(each)
    with ledger.reading() as tx:
        assert tx.untold_approvals(NIGHT, 9) == [due]
