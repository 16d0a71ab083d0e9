"""A postmortem: what is recorded of one incident, for whoever looks back at it; and the ledger's sums for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

    from orchestrator.domain.story import Step


@dataclass(frozen=True, slots=True)
class FailureSums:
    """The failures of an incident in numbers: `waited` seconds in all until they were over, those that are open up to
    now; `redelivered` recovered without any redrive.
    """

    recorded: int = 0
    tasks: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    waited: float = 0.0
    redelivered: int = 0
    states: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AttemptSums:
    """The redrives of an incident in numbers, by their plan and how they ended; `duplicates` are runs too many."""

    by_plan: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    duplicates: int = 0
    first_at: datetime | None = None
    last_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Money:
    """What the model calls of an incident's tasks cost in USD; `unpriced` of them have no price. `tasks` were asked
    about, of `of` in all.
    """

    usd: Decimal
    calls: int
    unpriced: int
    tasks: int
    of: int


@dataclass(frozen=True, slots=True)
class Detection:
    """When it was noticed; None where that is not recorded, or has not come. Seconds count from `opened_at`, to detect
    from the first failure.
    """

    first_failure_at: datetime | None
    opened_at: datetime
    told_at: datetime | None
    alerted_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    closed_at: datetime | None
    seconds_to_detect: float | None = None
    seconds_to_tell: float | None = None
    seconds_to_acknowledge: float | None = None
    seconds_to_resolve: float | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """Redrives in numbers; first attempts are those that were the first of their failure."""

    first_attempts: int = 0
    first_successes: int = 0
    attempts: int = 0
    successes: int = 0
    duplicates: int = 0
    by_plan: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """The first failure: what was raised, and the end of its traceback."""

    task: str
    task_id: str
    captured: str
    type: str
    message: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Postmortem:
    """All of it, written at `written_at`. `money` is None where no call of its tasks is recorded; `held_seconds` is how
    long people held it.
    """

    incident_id: UUID
    written_at: datetime
    signature: str
    task: str
    kind: str
    why: str
    state: str
    severity: str
    note: str | None
    dependency: str | None
    owner: str | None
    size: int
    seconds: float
    held_seconds: float
    failures: FailureSums
    detection: Detection
    tried: Tried
    money: Money | None
    sample: Sample | None
    decisions: tuple[Step, ...] = ()
    worked: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    follow_ups: tuple[str, ...] = ()
    timeline: tuple[Step, ...] = ()
    gone: tuple[str, ...] = ()


class SummingTx(Protocol):
    """What a transaction on the ledger can add up for a postmortem."""

    def failure_sums(self, incident_id: UUID, now: datetime) -> FailureSums:
        """Add the failures of an incident up."""

    def attempt_sums(self, incident_id: UUID) -> AttemptSums:
        """Add the redrives of an incident's releases up, those that are still recorded."""

    def redriven_at(self, incident_id: UUID) -> list[datetime]:
        """List the times at which redrives of an incident's releases were recorded or ended, each once, in order."""
