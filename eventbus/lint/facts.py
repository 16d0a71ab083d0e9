"""What the checks look at: a Celery application, its tasks and its queues, as frozen values. No I/O, no celery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eventbus.declaration import Declared


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """One task, with the app's defaults filled in. Times are seconds; `serializer` is a content type.

    `declared` is None for a wrong declaration, which `wrong` tells; `says_idempotent` that somebody said yes or no.
    `longest_delay` is the longest that Celery's own retries of it wait.
    """

    name: str
    declared: Declared | None
    wrong: str | None
    says_idempotent: bool
    acks_late: bool
    reject_on_worker_lost: bool
    acks_on_failure: bool
    acks_on_timeout: bool
    ignore_result: bool
    track_started: bool
    autoretry: bool
    time_limit: float | None
    soft_time_limit: float | None
    longest_delay: float
    serializer: str
    priority: int | None
    expires: bool

    @property
    def idempotent(self) -> bool:
        """Whether it may run twice, as declared."""
        return self.declared is not None and self.declared.idempotent

    @property
    def longest_run(self) -> float | None:
        """The seconds after which a limit ends it; None where none does."""
        limits = [each for each in (self.time_limit, self.soft_time_limit) if each]
        return min(limits) if limits else None


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """One queue, as the app declares it."""

    name: str
    exchange_type: str
    quorum: bool = False
    delivery_limit: int | None = None
    dead_letters: bool = False
    max_priority: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where workers keep what must survive them; `writable` for whom lint runs as."""

    name: str
    path: str
    writable: bool


@dataclass(frozen=True, slots=True)
class AppFacts:
    """One application. `broker` is rabbitmq, redis, sqlite or the transport's own name; `backend` likewise.

    `backend_keeps` tells that others can read a result again; `sqlite_results` is SQLite's file, or :memory:.
    `routed` and `scheduled` name tasks in task_routes and beat_schedule, `missing_queues` where routes lead in vain.
    `deaf_consumer` names a worker_consumer that never calls what the plugin listens to. `hold` is the longest that a
    failure may be held, in seconds.
    """

    name: str
    celery: str
    installed: bool
    broker: str
    backend: str
    backend_keeps: bool
    sqlite_results: str | None
    pool: str
    deaf_consumer: str | None
    random_hostname: str | None
    hold: float
    accepts: frozenset[str]
    settings: Mapping[str, Any]
    tasks: tuple[TaskFacts, ...]
    queues: tuple[QueueFacts, ...]
    places: tuple[Place, ...]
    unused_patterns: tuple[str, ...]
    routed: tuple[str, ...]
    missing_queues: tuple[str, ...]
    scheduled: tuple[str, ...]

    def named(self, holds: Callable[[TaskFacts], bool]) -> tuple[str, ...]:
        """Name the tasks of which something holds."""
        return tuple(task.name for task in self.tasks if holds(task))
