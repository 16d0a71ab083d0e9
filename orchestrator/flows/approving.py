"""Approving: a recovery waits for a person; whoever answers first decides, or else what was configured is done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from orchestrator.domain.approving import (
    NOBODY,
    Approval,
    ApprovalState,
    Otherwise,
    asked_by_inquiry,
    decided,
    inquiry_told,
    inquiry_untold,
    withdrawn,
)
from orchestrator.domain.commands import Command, CommandKind
from orchestrator.domain.errors import Conflict, DependencyUnreachable, NotFound, RedriveError, StaleEpoch
from orchestrator.domain.ids import derive
from orchestrator.domain.recoveries import Recovery, RecoveryStep, stepped
from orchestrator.domain.searching import Judging
from orchestrator.flows.announcing import command_recorded
from orchestrator.flows.bulk.commanding import proposed, start
from orchestrator.flows.bulk.edits import edits_told

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta
    from uuid import UUID

    from orchestrator.domain.ledger import Ledger, LedgerTx
    from orchestrator.domain.ports import Workflows
    from orchestrator.flows.bulk.asking import RetryRequest

BATCH: Final = 20


@dataclass(frozen=True, slots=True)
class Asking:
    """For how long a person is asked, and what is done when nobody answers; `failures` is what the dry run counted."""

    timeout: timedelta
    otherwise: Otherwise
    failures: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A person's answer; `command_id` is of this request."""

    command_id: UUID
    actor: str
    reason: str
    at: datetime
    approve: bool = False

    @property
    def kind(self) -> CommandKind:
        """Tell which command this is."""
        return CommandKind.APPROVE if self.approve else CommandKind.REJECT


def propose(tx: LedgerTx, request: RetryRequest, asking: Asking, command_id: UUID, judging: Judging) -> Recovery:
    """Record a recovery that claims nothing and waits for a person; what goes is what can go when somebody agrees, and
    not more than were asked about.

    Raises as `command_retry`, and Conflict where nothing could go now.
    """
    if not asking.failures:
        raise Conflict("expected failures that can go, got none; the dry run says why each cannot go")
    recovery = proposed(tx, request, command_id, judging)
    tx.add_recovery(recovery)
    until = judging.now + asking.timeout
    tx.save_approval(
        Approval(command_id, request.actor, request.reason, asking.failures, judging.now, until, asking.otherwise)
    )
    told = {"state": str(recovery.state), "recovery_id": str(command_id), "failures": asking.failures}
    command = _command(tx, recovery, Answer(command_id, actor=request.actor, reason=request.reason, at=judging.now))
    told |= {"until": until.isoformat(), "otherwise": str(asking.otherwise)} | edits_told(tx, recovery)
    _record(tx, replace(command, kind=request.kind, after=told))
    return recovery


def answer(tx: LedgerTx, recovery_id: UUID, given: Answer, judging: Judging) -> Recovery:
    """Decide a recovery that waits, once: it starts, or is over. Raises NotFound; Conflict for an answer that is late,
    and for consent where nothing can go any more.
    """
    recovery = tx.recovery(recovery_id)
    if recovery is None:
        raise NotFound("recovery", str(recovery_id))
    approval = tx.approval(recovery_id)
    if approval is None:
        raise Conflict(
            f"expected a recovery that waits for consent, got one that is {recovery.state} and asked nobody; "
            f"look at it: redrive recoveries show {recovery_id}"
        )
    now_decided = decided(approval, approve=given.approve, by=given.actor, reason=given.reason, now=given.at)
    agreed = replace(recovery, limit=min(approval.failures, recovery.limit or approval.failures))
    taken = sum(start(tx, agreed, judging).values()) if given.approve else _drop(tx, recovery, given)
    tx.save_approval(now_decided)
    after = tx.recovery(recovery_id) or recovery
    told = {"state": str(after.state), "recovery_id": str(recovery_id), "failures": taken}
    _record(tx, replace(_command(tx, recovery, given), before={"state": str(recovery.state)}, after=told))
    return after


def note_inquiry(tx: LedgerTx, recovery_id: UUID, inquiry_id: str, now: datetime) -> Approval:
    """Note which of StackStorm's inquiries asks about a recovery; raises NotFound where nothing is asked about it."""
    approval = tx.approval(recovery_id)
    if approval is None:
        raise NotFound("approval", str(recovery_id))
    noted = asked_by_inquiry(approval, inquiry_id, now)
    if noted != approval:
        tx.save_approval(noted)
    return noted


def withdraw(tx: LedgerTx, recovery_id: UUID, actor: str, reason: str, now: datetime) -> None:
    """Ask nobody any more about a recovery that somebody has ended by other means than an answer."""
    approval = tx.approval(recovery_id)
    if approval is not None and approval.state is ApprovalState.WAITING:
        tx.save_approval(withdrawn(approval, actor, reason, now))


def _drop(tx: LedgerTx, recovery: Recovery, given: Answer) -> int:
    over = stepped(recovery, RecoveryStep.ABORT, given.at)
    tx.save_recovery(replace(over, note=f"rejected by {given.actor}: {given.reason}"))
    return 0


def _command(tx: LedgerTx, recovery: Recovery, given: Answer) -> Command:
    incident = tx.incident(recovery.incident_id) if recovery.incident_id else None
    return Command(
        id=given.command_id,
        actor=given.actor,
        reason=given.reason,
        created_at=given.at,
        kind=given.kind,
        failure_id=recovery.failure_id,
        incident_id=recovery.incident_id,
        dependency=incident.dependency if incident else None,
        forced=recovery.forced,
    )


def _record(tx: LedgerTx, command: Command) -> None:
    incident = tx.incident(command.incident_id) if command.incident_id else None
    tx.add_command(command)
    tx.emit(command_recorded(command, incident, command.created_at))


@dataclass(frozen=True, slots=True)
class Lapser:
    """Does what was configured with recoveries that nobody has decided in time, whether StackStorm is there or not."""

    ledger: Ledger
    clock: Callable[[], datetime]
    keys_known: bool = False

    def run_once(self) -> int:
        """Decide what is due; gives its number."""
        with self.ledger.reading() as tx:
            due = tx.lapsed_approvals(self.clock(), BATCH)
        for each in due:
            self._lapse(each.recovery_id, each.otherwise)
        return len(due)

    def _lapse(self, recovery_id: UUID, otherwise: Otherwise) -> None:
        """Decide one. What cannot go is rejected, whatever speaks against it: it keeps none of the others waiting."""
        try:
            self._decide(recovery_id, "nobody answered in time", approve=otherwise is Otherwise.APPROVE)
        except (StaleEpoch, DependencyUnreachable):
            raise  # of the ledger, and not of this recovery
        except RedriveError as error:  # decided in this moment, or it cannot go any more
            with self.ledger.reading() as tx:
                still = tx.approval(recovery_id)
            if still and still.state is ApprovalState.WAITING:
                self._refuse(recovery_id, f"nobody answered in time, and it cannot go: {error}")

    def _refuse(self, recovery_id: UUID, why: str) -> None:
        try:
            self._decide(recovery_id, why, approve=False)
        except (StaleEpoch, DependencyUnreachable):
            raise
        except RedriveError:  # its recovery is over, or gone: nobody is asked about it any more
            with self.ledger.transaction() as tx:
                withdraw(tx, recovery_id, NOBODY, why, self.clock())

    def _decide(self, recovery_id: UUID, reason: str, *, approve: bool) -> None:
        now = self.clock()
        given = Answer(derive("lapsed", recovery_id, approve), NOBODY, reason, now, approve)
        with self.ledger.transaction() as tx:
            answer(tx, recovery_id, given, Judging(now, self.keys_known))


@dataclass(frozen=True, slots=True)
class InquiryAnswerer:
    """Answers StackStorm's inquiries about what was decided elsewhere, so that their workflows end.

    It calls StackStorm, and never inside a transaction of the ledger.
    """

    ledger: Ledger
    workflows: Workflows
    clock: Callable[[], datetime]

    def run_once(self) -> int:
        """Answer what is due; gives its number."""
        with self.ledger.reading() as tx:
            due = tx.untold_approvals(self.clock(), BATCH)
        for each in due:
            self._tell(each)
        return len(due)

    def _tell(self, approval: Approval) -> None:
        response = {"approve": approval.approved, "reason": f"{approval.decided_by}: {approval.decided_reason}"}
        try:
            taken = self.workflows.answer(approval.inquiry_id or "", response)
        except StaleEpoch:
            raise
        except RedriveError as error:
            why = str(error)
            self._save(approval, lambda now: inquiry_untold(approval, why, now))
            return
        note = "answered in StackStorm" if taken else "it waited no longer in StackStorm"
        self._save(approval, lambda _: inquiry_told(approval, note))

    def _save(self, approval: Approval, change: Callable[[datetime], Approval]) -> None:
        with self.ledger.transaction() as tx:
            # Another inquiry may ask by now: that one is told in its turn.
            if tx.approval(approval.recovery_id) == approval:
                tx.save_approval(change(self.clock()))
