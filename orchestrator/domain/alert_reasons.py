"""What an alert says for itself: why a level is told now, and what has changed since people were told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.domain.alerts import AlertState
from orchestrator.domain.ladders import RANK

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from orchestrator.domain.alerts import Alert, Facts
    from orchestrator.domain.ladders import Level

# By so much an incident has to grow before that is told.
GROWN: Final = 10


def changes(alert: Alert, facts: Facts) -> list[str]:
    """Tell what is worth an update: what differs enough from what was told last."""
    told, found = alert.told, list[str]()
    if told is None:
        return found
    if told.state is AlertState.RESOLVED:
        found.append("it has opened again")
    if RANK[facts.severity] > RANK[told.severity]:
        found.append(f"its severity is {facts.severity} now, {told.severity} before")
    if facts.size >= told.size * GROWN:
        found.append(f"it grew from {told.size:,} to {facts.size:,} failures")
    if facts.incidents >= told.incidents * 2:
        found.append(f"{facts.incidents:,} incidents of this dependency by now")
    if facts.largest.kind != told.kind:
        found.append(f"its kind is {facts.largest.kind} now, {told.kind} before")
    if facts.health != told.health and "healthy" in (facts.health, told.health):
        found.append(f"the dependency is {facts.health or 'unknown'} now, {told.health or 'unknown'} before")
    return found


def why(alert: Alert, facts: Facts, fresh: Sequence[Level], now: datetime) -> str:
    """Say why these levels are told now; without any it is somebody whose quiet hours are over."""
    if not fresh:
        return "quiet hours are over, and it still is not"
    level = fresh[-1]
    minutes = (now - alert.began_at).total_seconds() / 60
    reasons = [
        f"{minutes:.0f} min since it began" if level.after else "",
        f"nobody has acknowledged it for {level.unanswered / 60:.0f} min" if level.unanswered else "",
        f"{facts.size:,} failures" if level.size and facts.size >= level.size else "",
        f"{facts.attempts:,} redrives failed" if level.attempts and facts.attempts >= level.attempts else "",
        f"severity {facts.severity}" if level.severity else "",
        f"USD {facts.money:f}" if level.money and facts.money and facts.money >= level.money else "",
    ]
    return f"level {level.name}: {', '.join(each for each in reasons if each) or _opened(alert)}"


def _opened(alert: Alert) -> str:
    """Say why a level without a condition is told, the first time or once more."""
    return "it has opened" if len(alert.raised) <= alert.level else "it goes on, and nobody was told of that"
