"""Redriven runs: which attempt a run belongs to, and an attempt that has ended already is not run again.

The end of an attempt is stored in the task's own result backend, under the attempt's id, before it is told to the bus.
Only messages that carry the attempt header pay for it; a copy of one that comes later finds the stored end and is
skipped, in prefork pools. Two copies that run at the same time both run: at-least-once stays at-least-once.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from celery import states

from eventbus.wire import ATTEMPT_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from celery.backends.base import Backend

log = logging.getLogger(__name__)

_STORED: Final = "redrive-outcome"


def attempt_of(headers: Mapping[str, Any] | None) -> str | None:
    """Give the attempt that a run belongs to, from its custom headers; None for an ordinary run."""
    if not headers or ATTEMPT_HEADER not in headers:
        return None
    try:
        return str(UUID(headers[ATTEMPT_HEADER]))
    except (AttributeError, TypeError, ValueError):
        log.warning("attempt.unreadable: expected a UUID in %s, got %r", ATTEMPT_HEADER, headers[ATTEMPT_HEADER])
        return None


def store_outcome(backend: Backend, attempt_id: str, outcome: str) -> None:
    """Store how an attempt ended; a backend that can't is said, and the attempt may then run twice."""
    try:
        if keeps(backend):
            backend.store_result(attempt_id, {_STORED: outcome}, states.SUCCESS)
    except Exception as error:  # noqa: BLE001 - a task that has ended must not fail for this
        log.warning("attempt.not_stored: %s ended %s: %r", attempt_id, outcome, error)


def stored_outcome(backend: Backend, attempt_id: str) -> str | None:
    """Give how an attempt ended before; None when it did not, or when nobody can tell."""
    try:
        meta = backend.get_task_meta(attempt_id, cache=False) if keeps(backend) else {}
    except Exception as error:  # noqa: BLE001 - without an answer the task runs
        log.warning("attempt.unknown: %s: %r", attempt_id, error)
        return None
    result = meta.get("result") if meta.get("status") == states.SUCCESS else None
    return result.get(_STORED) if isinstance(result, dict) else None


def keeps(backend: Backend) -> bool:
    """Tell whether a result backend keeps what it is given: rpc sends it away, a disabled one forgets it."""
    return bool(backend.persistent) and backend.as_uri() not in {"rpc://", "disabled://"}
