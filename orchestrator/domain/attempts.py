"""An attempt: one redrive of one failure. It is recorded before it is published, and it ends once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


class AttemptState(StrEnum):
    """Where an attempt stands; `lost` is one whose outcome never came."""

    RECORDED = "recorded"
    PUBLISHED = "published"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is told of an attempt: `failed_with` None says that it went well. `lost` says that nobody told anything.

    `again` is False for what brings no news of a further run: a run that was skipped, and a failure event, beside which
    the worker sends the end of the attempt.
    """

    failed_with: str | None = None
    again: bool = True
    lost: bool = False

    @property
    def succeeded(self) -> bool:
        """Tell whether the task ran well."""
        return self.failed_with is None


IN_FLIGHT = frozenset({AttemptState.RECORDED, AttemptState.PUBLISHED})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One redrive; `number` counts the attempts of its failure from 1."""

    id: UUID
    failure_id: UUID
    task_id: str
    incident_id: UUID
    release_id: UUID
    number: int
    plan: str
    state: AttemptState
    recorded_at: datetime
    execution_id: str | None = None
    published_at: datetime | None = None
    ended_at: datetime | None = None
    duplicates: int = 0
    reason: str | None = None
