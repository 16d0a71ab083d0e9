"""A person's command, with its actor and reason; and the modes that say what the orchestrator may do by itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


class Mode(StrEnum):
    """What the orchestrator may do: watch and plan only, act, or stand still."""

    OBSERVE = "observe"
    ACT = "act"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class RetryCommand:
    """A person asked for one failure to be redriven."""

    id: UUID
    actor: str
    failure_id: UUID
    incident_id: UUID
    release_id: UUID
    reason: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What was answered to the first request with an Idempotency-Key; the hash is of that request's body."""

    request_hash: str
    status: int
    body: str
    location: str
