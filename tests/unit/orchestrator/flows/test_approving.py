"""Recoveries that nobody has answered in time: each is decided, whatever is the matter with another one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from orchestrator.domain.approving import ApprovalState, Otherwise
from orchestrator.domain.errors import StaleEpoch
from orchestrator.domain.recoveries import RecoveryState, RecoveryStep, stepped
from orchestrator.domain.searching import Judging
from orchestrator.flows.approving import Answer, Asking, Lapser, answer, propose
from orchestrator.flows.bulk.asking import RetryRequest
from tests.recovery import failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from orchestrator.domain.approving import Approval

MINUTE = timedelta(seconds=60)


def asked(scene: Scene, otherwise: Otherwise, **more: Any) -> UUID:
    """Propose to redrive the newest incident, to be decided within a minute."""
    request = RetryRequest("ann", "it is back", incident_id=scene.incident.id, **more)
    with scene.ledger.transaction() as tx:
        return propose(tx, request, Asking(MINUTE, otherwise, 2), uuid4(), Judging(scene.now)).id


def lapsed(scene: Scene, *recoveries: UUID) -> list[tuple[Approval | None, RecoveryState | None]]:
    """Let a minute pass, decide what is due, and give what was decided of each, and how it stands."""
    scene.later(61)
    Lapser(scene.ledger, scene.clock).run_once()
    with scene.ledger.reading() as tx:
        found = [(tx.approval(each), tx.recovery(each)) for each in recoveries]
    return [(approval, recovery.state if recovery else None) for approval, recovery in found]


@pytest.fixture
def scene() -> Scene:
    """A scene with one incident of two failures."""
    made = Scene()
    made.take_in(failed_event(0), failed_event(1))
    return made


def test_a_proposal_that_cannot_be_carried_out_keeps_no_other_one_waiting(scene: Scene) -> None:
    """It is rejected with what speaks against it, by the time; the one behind it goes in the same round."""
    spoilt = asked(scene, Otherwise.APPROVE, edits={"model": "small"})  # no task of it allows any edit
    good = asked(scene, Otherwise.APPROVE)
    (first, over), (second, runs) = lapsed(scene, spoilt, good)
    assert first
    assert (first.state, first.decided_by, over) == (ApprovalState.REJECTED, "nobody in time", RecoveryState.ABORTED)
    assert "nobody answered in time, and it cannot go" in (first.decided_reason or "")
    assert second
    assert (second.state, runs) == (ApprovalState.APPROVED, RecoveryState.RUNNING)


def test_consent_is_for_as_many_as_were_asked_about(scene: Scene) -> None:
    """What has failed since waits for a word of its own: two were agreed to, and two go."""
    proposal = asked(scene, Otherwise.REJECT)
    scene.take_in(*(failed_event(number) for number in range(2, 9)))
    given = Answer(uuid4(), "bob", "go", scene.now, approve=True)
    with scene.ledger.transaction() as tx:
        answer(tx, proposal, given, Judging(scene.now))
        assert tx.progress(proposal).asked == 2


@pytest.mark.parametrize("otherwise", list(Otherwise))
def test_nobody_is_asked_about_a_recovery_that_is_over(scene: Scene, otherwise: Otherwise) -> None:
    """However it ended: its question ends with the time, and stands in nobody's way."""
    recovery = asked(scene, otherwise)
    with scene.ledger.transaction() as tx:
        known = tx.recovery(recovery)
        assert known
        tx.save_recovery(stepped(known, RecoveryStep.ABORT, scene.now))
    ((approval, state),) = lapsed(scene, recovery)
    assert approval
    assert (approval.state, state) == (ApprovalState.REJECTED, RecoveryState.ABORTED)


def test_who_no_longer_leads_decides_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lead that has gone to another process is no reason to reject: that process decides."""
    recovery = asked(scene, Otherwise.APPROVE)

    def refused(*_: object, **__: object) -> None:
        raise StaleEpoch("another one leads")

    monkeypatch.setattr("orchestrator.flows.approving.start", refused)
    with pytest.raises(StaleEpoch):
        lapsed(scene, recovery)
    with scene.ledger.reading() as tx:
        approval = tx.approval(recovery)
    assert approval
    assert approval.state is ApprovalState.WAITING
