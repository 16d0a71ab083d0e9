"""What was decided, commanded or changed afterwards, as rows of `audit_logs`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from eventbus.wire import (
    ALERT_CHANGED,
    CIRCUIT_CHANGED,
    COMMAND_RECORDED,
    DEPENDENCY_CHANGED,
    GOVERNANCE_RECORDED,
    INCIDENT_CLOSED,
    INCIDENT_OPENED,
    INCIDENT_PLANNED,
    RELEASE_ENDED,
)
from orchestrator.warehouse import values
from orchestrator.warehouse.identifiers import About

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

    from orchestrator.domain.events import EventRecord
    from orchestrator.warehouse.rows import SimilarityRow

# What each row says was done; a command's own name follows, as in command.retry.
WHAT: Final[Mapping[str, str]] = {
    ALERT_CHANGED: "alert.changed",
    CIRCUIT_CHANGED: "circuit.changed",
    COMMAND_RECORDED: "command",
    DEPENDENCY_CHANGED: "dependency.changed",
    GOVERNANCE_RECORDED: "governance.recorded",
    INCIDENT_OPENED: "incident.opened",
    INCIDENT_PLANNED: "incident.planned",
    INCIDENT_CLOSED: "incident.closed",
    RELEASE_ENDED: "release.ended",
}
PROMPT_BLOCKED: Final = "prompt.blocked"
PRICE_CHANGED: Final = "price.changed"
ORCHESTRATOR: Final = "orchestrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow(About):
    """One row of `audit_logs`; `details` is JSON, `usd_cost` the amount that it is about."""

    id: UUID
    what: str
    created_at: datetime
    details: str
    actor: str | None = None
    reason: str | None = None
    dependency: str | None = None
    release_id: str | None = None
    failure_id: str | None = None
    forced: bool | None = None
    policy: str | None = None
    action: str | None = None
    usd_cost: Decimal | None = None
    similarity_score: float | None = None


_TEXTS: Final = ("reason", "dependency", "release_id", "failure_id", "policy", "action")


def audit_of(record: EventRecord, data: Mapping[str, Any], about: Mapping[str, Any]) -> AuditRow | None:
    """Make the row of what an event says was done; None for one that says nothing of the kind. Raises Unloadable."""
    what = WHAT.get(record.type)
    if what is None:
        return None
    named = values.text(data, "command") if record.type == COMMAND_RECORDED else None
    by_itself = None if record.type in (GOVERNANCE_RECORDED, COMMAND_RECORDED) else ORCHESTRATOR
    details = orjson.dumps(data).decode()
    data = _of_circuit(data) if record.type == CIRCUIT_CHANGED else data
    told: dict[str, Any] = {name: values.text(data, name) for name in _TEXTS}
    return AuditRow(
        id=record.key,
        what=f"{what}.{named}" if named else what,
        created_at=values.instant(record.time, "time"),
        details=details,
        actor=values.text(data, "actor") or by_itself,
        forced=None if data.get("forced") is None else values.flag(data, "forced"),
        **told,
        **about,
    )


def _of_circuit(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Tell of a circuit as a command is told: by whom, and whether it was forced, where its event says to what."""
    return {
        "reason": data.get("reason"),
        "actor": data.get("by"),
        "action": data.get("state"),
        "forced": data.get("forced") is not None,
    }


def blocked(row: SimilarityRow) -> AuditRow:
    """Make the row of a prompt that was blocked."""
    about = {name: getattr(row, name) for name in About.__dataclass_fields__}
    details = {"prompt_hash": row.prompt_hash, "matched_prompt_hash": row.matched_prompt_hash}
    return AuditRow(
        id=row.id,
        what=PROMPT_BLOCKED,
        created_at=row.created_at,
        details=orjson.dumps(details).decode(),
        similarity_score=row.similarity_score,
        **about,
    )
