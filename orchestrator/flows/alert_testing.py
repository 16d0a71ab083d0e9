"""Testing a target: a page and its end, by the way that every page goes, both of which say that they are a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventbus.wire import ALERT_CHANGED, Event
from orchestrator.domain.alerts import Action, AlertState
from orchestrator.domain.auditing import Deed, Origin
from orchestrator.domain.ids import derive
from orchestrator.flows.announcing import SOURCE

if TYPE_CHECKING:
    from uuid import UUID

    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.flows.alert_desk import Word


def page_to_test(tx: LedgerTx, target: str, word: Word) -> None:
    """Send a page to one target, and its end, so that nothing stays open there; both say that they are a test."""
    alert_id = word.new_id()
    tx.audit(
        Deed(
            id=derive("audit", alert_id, TEST),
            at=word.at,
            actor=word.actor,
            origin=Origin.PERSON,
            verb=TEST,
            reason=word.reason,
            sink=target,
        )
    )
    for number, action in enumerate(TESTED, 1):
        tx.emit(_test_page(target, word, alert_id, number, action))


TEST: Final = "test_alert"
TESTED: Final = (Action.TRIGGER, Action.RESOLVE)


def _test_page(target: str, word: Word, alert_id: UUID, number: int, action: Action) -> Event:
    state = AlertState.RESOLVED if action is Action.RESOLVE else AlertState.FIRING
    data = {
        "alert_id": str(alert_id),
        "dedup_key": f"redrive-test-{alert_id}",
        "number": number,
        "action": str(action),
        "state": str(state),
        "ladder": "test",
        "level": 1,
        "level_name": "test",
        "severity": "info",
        "targets": [target],
        "title": "[TEST] Redrive can reach you" if number == 1 else "[TEST] Redrive's test is over",
        "text": f"{word.actor} has sent this test page to {target}: {word.reason}. Nothing has failed.",
        "reason": "a test",
        "commands": ["redrive alerts list"],
        "incident_id": str(alert_id),
        "incident_ids": [],
        "incidents": 1,
        "open": 0,
        "size": 0,
        "dependency": None,
        "task": "none",
        "kind": "unknown",
        "signature": "none",
        "began_at": word.at.isoformat(),
        "usd_cost": None,
        "acknowledged_by": None,
        "reopened": 0,
    }
    event_id = str(derive(ALERT_CHANGED, alert_id, number))
    return Event(id=event_id, source=SOURCE, type=ALERT_CHANGED, time=word.at, data=data)
