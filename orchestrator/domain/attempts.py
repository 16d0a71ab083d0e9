"""An attempt: one redrive of one failure. It is recorded before it is published, and it ends once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.failures import Kind
    from orchestrator.domain.routes.decisions import Decision


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
    the worker sends the end of the attempt. `ended_at` is when the run ended, where its worker said so. `refused`: its
    message cannot be published again, so that no other attempt is of any use. `kind` is what the failed run's own
    report amounts to, `published` is False where no worker got it, `retry_at` until when its dependency asked to be
    left alone.
    """

    failed_with: str | None = None
    again: bool = True
    lost: bool = False
    ended_at: datetime | None = None
    refused: bool = False
    kind: Kind | None = None
    published: bool = True
    retry_at: datetime | None = None

    @property
    def succeeded(self) -> bool:
        """Tell whether the task ran well."""
        return self.failed_with is None

    @property
    def heard(self) -> bool:
        """Tell whether a run of it is known to have ended: else it says nothing of what the task leans on."""
        return self.published and not self.lost


IN_FLIGHT = frozenset({AttemptState.RECORDED, AttemptState.PUBLISHED})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One redrive; `number` counts the attempts of its failure from 1, `turn` those since it was opened last.

    One in flight that has `ended_at` is known to have failed since then; its failure event will say with what.
    `decision` says where it went and why, None where its plan sent it nowhere else.
    """

    id: UUID
    failure_id: UUID
    task_id: str
    incident_id: UUID
    release_id: UUID
    number: int
    turn: int
    plan: str
    state: AttemptState
    recorded_at: datetime
    execution_id: str | None = None
    published_at: datetime | None = None
    ended_at: datetime | None = None
    duplicates: int = 0
    reason: str | None = None
    decision: Decision | None = None
