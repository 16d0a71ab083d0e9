"""How Celery ends a run as failed in the worker's main process, and what that is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from celery.exceptions import TaskPredicate, Terminated, TimeLimitExceeded, WorkerLostError


@dataclass(slots=True)
class Fate:
    """How a run is ending while Celery deals with it: `way` None where there is nothing to report."""

    way: str | None
    error: BaseException
    traceback: str
    failed: bool = False
    requeued: bool = False


_WAYS: Final[tuple[tuple[tuple[type[BaseException], ...], str | None], ...]] = (
    ((TimeLimitExceeded,), "time_limit"),
    ((SystemExit, KeyboardInterrupt), "system_exit"),
    ((WorkerLostError,), "child_killed"),
    ((TaskPredicate, Terminated), None),  # retried, ignored, rejected; revoked
    ((BaseException,), "exception"),
)


def way_of(error: BaseException, *, told: bool, gone: bool) -> str | None:
    """Name the way of a failure; None for one that the child has `told`, or of a run that was revoked or cancelled."""
    if isinstance(error, MemoryError):
        return "memory_error"  # said twice rather than not at all: the child may have had no memory to say it
    if told or gone:
        return None
    return next(way for types, way in _WAYS if isinstance(error, types))
