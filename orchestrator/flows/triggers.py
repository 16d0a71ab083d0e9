"""Putting a trigger on its way to StackStorm: a row of the ledger, written with the step that it tells of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.domain.dispatches import Dispatch, DispatchState
from orchestrator.domain.ids import derive

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from orchestrator.domain.incidents import Incident, Trigger
    from orchestrator.domain.ledger import LedgerTx


def queue_trigger(
    tx: LedgerTx, incident: Incident, trigger: Trigger, payload: Mapping[str, Any], now: datetime
) -> None:
    """Queue one trigger; the same step queued again makes no second one."""
    told = payload.get("release_id") or f"{incident.revision}/{incident.size}"
    tx.add_dispatch(
        Dispatch(
            id=derive("dispatch", incident.id, trigger, told),
            incident_id=incident.id,
            trigger=str(trigger),
            payload=payload,
            state=DispatchState.PENDING,
            next_at=now,
            created_at=now,
        )
    )
