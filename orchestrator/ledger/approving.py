"""The ledger's rows of what a person is asked to agree to."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, or_, select

from orchestrator.domain.approving import Approval, ApprovalState, Otherwise
from orchestrator.ledger.approval_schema import approvals
from orchestrator.ledger.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

NAMES = tuple(field.name for field in fields(Approval))


class ApprovingRows(Rows):
    """The verbs on what a person is asked to agree to."""

    def save_approval(self, approval: Approval) -> None:
        """Store an approval, in the place of what was."""
        row = {name: getattr(approval, name) for name in NAMES}
        row |= {"state": str(approval.state), "otherwise": str(approval.otherwise)}
        self._upsert(approvals, "recovery_id", row)

    def approval(self, recovery_id: UUID) -> Approval | None:
        """Look up what is asked about a recovery."""
        row = self._reading.execute(select(approvals).where(approvals.c.recovery_id == recovery_id)).one_or_none()
        return _approval(row) if row else None

    def approvals(self, states: Sequence[ApprovalState], limit: int, after: Approval | None = None) -> list[Approval]:
        """List approvals in these states (all when empty), newest first, behind `after`."""
        table = approvals.c
        query = select(approvals).order_by(table.asked_at.desc(), table.recovery_id.desc()).limit(limit)
        if states:
            query = query.where(table.state.in_([str(state) for state in states]))
        if after:
            same = and_(table.asked_at == after.asked_at, table.recovery_id < after.recovery_id)
            query = query.where(or_(table.asked_at < after.asked_at, same))
        return [_approval(row) for row in self._reading.execute(query)]

    def lapsed_approvals(self, now: datetime, limit: int) -> list[Approval]:
        """List the approvals that nobody has decided and whose time is over, oldest first."""
        table = approvals.c
        query = select(approvals).where(table.state == str(ApprovalState.WAITING), table.until <= now)
        return [_approval(row) for row in self._reading.execute(query.order_by(table.until).limit(limit))]

    def untold_approvals(self, now: datetime, limit: int) -> list[Approval]:
        """List the decided approvals whose inquiry is to be answered now."""
        table = approvals.c
        decided = table.state != str(ApprovalState.WAITING)
        query = select(approvals).where(table.tell_at <= now, decided, table.inquiry_id.is_not(None), ~table.told)
        return [_approval(row) for row in self._reading.execute(query.order_by(table.tell_at).limit(limit))]


def _approval(row: Row[Any]) -> Approval:
    values = {name: getattr(row, name) for name in NAMES}
    return Approval(**values | {"state": ApprovalState(row.state), "otherwise": Otherwise(row.otherwise)})
