"""Guarantee 4 in one place: a fault of the plugin's own is said once, and Celery goes on as if it were not there."""

from __future__ import annotations

import logging
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
_said: set[str] = set()


def harmless(call: Callable[P, R]) -> Callable[P, R | None]:
    """Wrap a call of ours inside Celery: an exception in it gives None, and is logged the first time in a process."""

    @wraps(call)
    def guarded(*args: P.args, **options: P.kwargs) -> R | None:
        try:
            return call(*args, **options)
        except Exception:
            if call.__qualname__ not in _said:
                _said.add(call.__qualname__)
                log.exception("capture.failed: %s; its next ones in this process are not logged", call.__qualname__)
            return None

    return guarded
