"""Between rows and values: recoveries, and the selections that they were made of."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from orchestrator.domain.commands import CommandKind
from orchestrator.domain.failures import FailureState, Kind
from orchestrator.domain.recoveries import Order, Recovery, RecoveryState
from orchestrator.domain.selection import Selection
from orchestrator.ledger.codec import plan_from_json, plan_to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Row


def selection_to_json(selection: Selection) -> dict[str, Any]:
    """Give a selection as JSON: what it does not name is left out."""
    told = {name: getattr(selection, name) for name in Selection.__slots__}
    told["ids"] = sorted(map(str, selection.ids))
    told["states"] = sorted(map(str, selection.states))
    told["arguments"] = dict(selection.arguments)
    told["incident_id"] = str(selection.incident_id) if selection.incident_id else None
    told["kind"] = str(selection.kind) if selection.kind else None
    for name in ("since", "until"):
        told[name] = told[name].isoformat() if told[name] else None
    return {name: value for name, value in told.items() if value}


def selection_from_json(told: Mapping[str, Any]) -> Selection:
    """Read a selection back."""
    values = dict(told)
    values["ids"] = frozenset(map(UUID, told.get("ids", ())))
    values["states"] = frozenset(map(FailureState, told.get("states", ())))
    for name, read in (("incident_id", UUID), ("kind", Kind), ("since", _moment), ("until", _moment)):
        if name in told:
            values[name] = read(told[name])
    return Selection(**values)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def recovery_row(recovery: Recovery) -> dict[str, Any]:
    """Give a recovery as a row."""
    row = {name: getattr(recovery, name) for name in Recovery.__slots__}
    row |= {name: str(row[name]) for name in ("state", "command", "order")}
    row |= {"selection": selection_to_json(recovery.selection), "plan": plan_to_json(recovery.plan)}
    prediction = dict(recovery.prediction) if recovery.prediction else None
    return row | {"edits": dict(recovery.edits), "prediction": prediction}


def recovery_value(row: Row[Any]) -> Recovery:
    """Read a recovery back."""
    values = {name: getattr(row, name) for name in Recovery.__slots__}
    values |= {
        "state": RecoveryState(row.state),
        "command": CommandKind(row.command),
        "order": Order(row.order),
        "selection": selection_from_json(row.selection),
        "plan": plan_from_json(row.plan),
    }
    return Recovery(**values)
