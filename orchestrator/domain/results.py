"""What the result backend tells of tasks: the values that its one reader gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STARTED: Final = "STARTED"
RETRY: Final = "RETRY"
SUCCESS: Final = "SUCCESS"
UNFINISHED: Final = frozenset({STARTED, RETRY})


@dataclass(frozen=True, slots=True)
class StoredTask:
    """One task as the backend has it; Celery stores no time with a task that has not ended.

    `worker` (its node name, celery@host) and `pid` (of the process that runs the task) stand with STARTED alone;
    `task` and `retries` only where the application sets `result_extended`. `cancelled` is a RETRY that a worker wrote
    when it left a running task behind, and not one of Celery's own retries. `opaque` says that the backend has more
    than could be read without executing it.
    """

    task_id: str
    state: str
    worker: str | None = None
    pid: int | None = None
    task: str | None = None
    retries: int | None = None
    cancelled: bool = False
    opaque: bool = False


@dataclass(frozen=True, slots=True)
class ResultPage:
    """Some tasks that have not ended, and where to go on; at the end `cursor` is None. `read` counts what was looked
    at for it: keys or rows.
    """

    tasks: tuple[StoredTask, ...]
    cursor: str | None
    read: int
