"""A failure: one run of a Celery task that ended badly, with everything needed to publish the task again."""

from __future__ import annotations

from dataclasses import dataclass, field
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


class Way(StrEnum):
    """How the run ended, as far as the worker, its journal or the result backend shows (docs/capture.md)."""

    EXCEPTION = "exception"
    CHILD_KILLED = "child_killed"
    SYSTEM_EXIT = "system_exit"
    TIME_LIMIT = "time_limit"
    MEMORY_ERROR = "memory_error"
    UNKNOWN_TASK = "unknown_task"
    REFUSED = "refused"
    UNDECODABLE = "undecodable"
    EXPIRED = "expired"
    WORKER_KILLED = "worker_killed"
    COLD_SHUTDOWN = "cold_shutdown"
    DELIVERY_LIMIT = "delivery_limit"
    ORPHANED = "orphaned"


class FailureState(StrEnum):
    """Where a failure stands; guarantee 1 wants each one to end in one of the last three.

    One that is `redelivery_pending` is never redriven: the broker still holds its message, or the message is not known.
    """

    REDELIVERY_PENDING = "redelivery_pending"
    HELD = "held"
    RELEASED = "released"
    RECOVERED = "recovered"
    DISCARDED = "discarded"
    DEAD = "dead"


OPEN_FAILURES = frozenset({FailureState.REDELIVERY_PENDING, FailureState.HELD, FailureState.RELEASED})


@dataclass(frozen=True, slots=True)
class ExceptionFacts:
    """What is known of the exception: type with module, message, traceback text, and what a provider answered.

    `retry_after` is in seconds; `code` the dependency's own error code, an API's or a SQLSTATE.
    """

    type: str
    message: str
    traceback: str = ""
    chain: tuple[str, ...] = ()
    status: int | None = None
    retry_after: float | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """The message as it was published, byte for byte, and where to.

    `claim` says where a body lies that is too large for an event ({"url", "bytes", "sha256"}); `redacted` names what
    was replaced before it left the worker, `resolvable` that the worker can fill it in again; `sealed` is the whole
    message, encrypted; of a `missing` one nothing but its place is known.
    """

    body: bytes
    content_type: str
    content_encoding: str
    headers: Mapping[str, Any]
    properties: Mapping[str, Any]
    exchange: str
    routing_key: str
    queue: str | None = None
    claim: Mapping[str, Any] | None = None
    redacted: tuple[str, ...] = ()
    resolvable: bool = False
    sealed: str | None = None
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the application declared of the task: the dependency it leans on, and whether it may run twice.

    `route` lists where else it may run, best first; `never` the exception types for which nothing redrives it by
    itself. `search` names the arguments by whose values failures may be searched; `edit` what a person may change when
    it runs again, each with what its value must be (orchestrator/domain/edits.py); `positions` where these
    stand in the task's signature.
    """

    dependency: str | None = None
    idempotent: bool = False
    route: tuple[Mapping[str, Any], ...] = ()
    never: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    edit: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    positions: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed run. `attempt_id` names the redrive it was a run of, if it was one.

    With `redelivery` the broker still holds the message. `started_at` is None where nobody saw the run begin,
    `traceparent` (W3C Trace Context) where the run was in no trace. `arguments` are the values, as text, of those that
    the declaration allows for search; `organization` is whose work it was, where that is known.
    """

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
    captured: Way = Way.EXCEPTION
    redelivery: bool = False
    started_at: datetime | None = None
    traceparent: str | None = None
    organization: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def began_at(self) -> datetime:
        """Tell when its run began; when it failed, where nobody saw the beginning."""
        return self.started_at or self.occurred_at
