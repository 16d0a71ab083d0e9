"""Which lane an event travels in, and which events a sink wants."""

from __future__ import annotations

from typing import Final

from orchestrator.domain.events import Lane

PRIORITY_PREFIXES: Final = (
    "redrive.task.failed.",
    "redrive.attempt.",
    "redrive.incident.",
    "redrive.release.",
    "redrive.dependency.",
    "redrive.circuit.",
    "redrive.command.",
    "redrive.audit.",
    "redrive.alert.",
    "redrive.llm.",
    "redrive.governance.",
    "redrive.loadtest.",
)


def lane_of(event_type: str) -> Lane:
    """Choose the lane of an event type: what a person acts on or pays for goes first."""
    return Lane.PRIORITY if event_type.startswith(PRIORITY_PREFIXES) else Lane.TELEMETRY
