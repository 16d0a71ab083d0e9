"""A failure: one run of a Celery task that ended badly, with everything needed to publish the task again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID


class Kind(StrEnum):
    """What sort of failure it is; decided by `classify`, in the orchestrator alone."""

    TRANSIENT = "transient"
    RATE_LIMITED = "rate_limited"
    DEPENDENCY_DOWN = "dependency_down"
    RESOURCE = "resource"
    WORKER_LOST = "worker_lost"
    PERMANENT = "permanent"
    POISON = "poison"
    UNKNOWN = "unknown"


class FailureState(StrEnum):
    """Where a failure stands; guarantee 1 wants each one to end in one of the last three."""

    HELD = "held"
    RELEASED = "released"
    RECOVERED = "recovered"
    DISCARDED = "discarded"
    DEAD = "dead"


OPEN_FAILURES = frozenset({FailureState.HELD, FailureState.RELEASED})


@dataclass(frozen=True, slots=True)
class ExceptionFacts:
    """What is known of the exception: type with module, message, traceback text, and what a provider answered."""

    type: str
    message: str
    traceback: str = ""
    chain: tuple[str, ...] = ()
    status: int | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """The message as it was published, byte for byte, and where to."""

    body: bytes
    content_type: str
    content_encoding: str
    headers: Mapping[str, Any]
    properties: Mapping[str, Any]
    exchange: str
    routing_key: str


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the application declared of the task: the dependency it leans on, and whether it may run twice."""

    dependency: str | None = None
    idempotent: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed run. `attempt_id` names the redrive it was a run of, if it was one."""

    id: UUID
    task_id: str
    task: str
    retries: int
    attempt_id: UUID | None
    exception: ExceptionFacts
    message: TaskMessage
    declaration: Declaration
    occurred_at: datetime
    event_id: str
    worker: str = ""
