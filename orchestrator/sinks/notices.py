"""What the event of an alert says to a target, and which of those that wait are over by now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog

from orchestrator.domain.alerts import Action, Notice
from orchestrator.domain.auditing import SOURCE
from orchestrator.domain.incidents import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.domain.events import StoredEvent

log = structlog.get_logger("redrive.alerts")
DETAILS: Final = (
    "alert_id", "ladder", "level", "level_name", "incident_id", "incidents", "size", "dependency", "task", "kind",
    "signature", "began_at", "usd_cost", "acknowledged_by", "reason",
)  # fmt: skip


def over_by_now(batch: Sequence[StoredEvent], target: str) -> set[int]:
    """Name what waits behind its own end: nobody is woken for what is over, the end is told alone."""
    ended: set[str] = set()
    over: set[int] = set()
    for event in reversed(batch if len(batch) > 1 else ()):
        told = _told_here(event, target)
        if told is None:
            continue
        key, action = told
        if action is Action.RESOLVE:
            ended.add(key)
        elif key in ended:
            over.add(event.seq)
            log.info("alert.over", target=target, action=str(action), alert=key)
    return over


def _told_here(event: StoredEvent, target: str) -> tuple[str, Action] | None:
    try:
        data = orjson.loads(event.record.body)["data"]
        told = data["dedup_key"], Action(data["action"])
        return told if event.record.source == SOURCE and target in data["targets"] else None
    except (KeyError, TypeError, ValueError):
        return None


def notice_of(data: dict[str, Any]) -> Notice:
    """Read what a target is told out of an event's data; raises KeyError or ValueError for what is none."""
    return Notice(
        key=data["dedup_key"],
        action=Action(data["action"]),
        severity=Severity(data["severity"]),
        title=data["title"],
        text=data["text"],
        at=data.get("at") or data["began_at"],
        targets=tuple(data["targets"]),
        commands=tuple(data["commands"]),
        details={name: data.get(name) for name in DETAILS},
        reopened=bool(data.get("reopened")),
    )
