"""A recovery: failures that a person sends on their way again together, and what became of each. Decisions only."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.commands import CommandKind
    from orchestrator.domain.plan import Plan
    from orchestrator.domain.selection import Selection


class RecoveryState(StrEnum):
    """Where a recovery stands: not agreed to yet, under way, resting, or over."""

    PROPOSED = "proposed"
    RUNNING = "running"
    PAUSED = "paused"
    ABORTED = "aborted"
    DONE = "done"


class RecoveryStep(StrEnum):
    """What can happen to a recovery."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    END = "end"


OVER: Final = frozenset({RecoveryState.ABORTED, RecoveryState.DONE})
TRANSITIONS: Final[Mapping[tuple[RecoveryState, RecoveryStep], RecoveryState]] = {
    (RecoveryState.PROPOSED, RecoveryStep.START): RecoveryState.RUNNING,
    (RecoveryState.PROPOSED, RecoveryStep.ABORT): RecoveryState.ABORTED,
    (RecoveryState.RUNNING, RecoveryStep.PAUSE): RecoveryState.PAUSED,
    (RecoveryState.RUNNING, RecoveryStep.ABORT): RecoveryState.ABORTED,
    (RecoveryState.RUNNING, RecoveryStep.END): RecoveryState.DONE,
    (RecoveryState.PAUSED, RecoveryStep.RESUME): RecoveryState.RUNNING,
    (RecoveryState.PAUSED, RecoveryStep.ABORT): RecoveryState.ABORTED,
    (RecoveryState.PAUSED, RecoveryStep.END): RecoveryState.DONE,
}


class Order(StrEnum):
    """Which failures go first: those that failed first, or last."""

    OLDEST = "oldest"
    NEWEST = "newest"


class ItemOutcome(StrEnum):
    """What became of one failure of a recovery, once it is no longer the recovery's.

    `held_again`: its release ended before it did; `given_back`: the recovery was aborted while it was held;
    `elsewhere`: it ended by other means, discarded by a person or recovered by the broker's own delivery.
    """

    RECOVERED = "recovered"
    DEAD = "dead"
    HELD_AGAIN = "held_again"
    GIVEN_BACK = "given_back"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class Progress:
    """A recovery in tasks: what was asked for is the sum of all the rest, at every moment."""

    asked: int = 0
    waiting: int = 0
    in_flight: int = 0
    recovered: int = 0
    dead: int = 0
    held_again: int = 0
    given_back: int = 0
    elsewhere: int = 0

    @property
    def open(self) -> int:
        """Count the tasks of which nobody knows yet what becomes of them."""
        return self.waiting + self.in_flight


def progress_of(counts: Mapping[str, int]) -> Progress:
    """Make a progress of the numbers under each of its names."""
    return Progress(asked=sum(counts.values()), **counts)


@dataclass(frozen=True, slots=True)
class Recovery:
    """A person's recovery, under the id of its command. Each incident that it takes failures of has a release of it.

    `edits` are keyword arguments that each task gets in the place of its own; with `limit` only so many went, in this
    `order`. `prediction` is what was told before it began. `incident_id` or `failure_id` is set where one alone is
    meant.
    """

    id: UUID
    state: RecoveryState
    actor: str
    reason: str
    command: CommandKind
    created_at: datetime
    selection: Selection
    plan: Plan
    forced: bool = False
    order: Order = Order.OLDEST
    limit: int | None = None
    edits: Mapping[str, Any] = field(default_factory=dict)
    incident_id: UUID | None = None
    failure_id: UUID | None = None
    prediction: Mapping[str, Any] | None = None
    ended_at: datetime | None = None
    note: str | None = None

    @property
    def over(self) -> bool:
        """Tell whether it sends nothing more."""
        return self.state in OVER


def stepped(recovery: Recovery, step: RecoveryStep, now: datetime) -> Recovery:
    """Take a step; raises Conflict where the table has none: what is over stays so."""
    state = TRANSITIONS.get((recovery.state, step))
    if state is None:
        raise Conflict(
            f"expected a recovery that can {step}, got one that is {recovery.state}; "
            f"look at it: redrive recoveries show {recovery.id}"
        )
    return replace(recovery, state=state, ended_at=now if state in OVER else None)
