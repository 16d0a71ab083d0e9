"""Making a method slower on purpose: by a fixed time, or by a share of the processor time that it took itself."""

from __future__ import annotations

import time
from functools import wraps
from threading import local
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")
_within = local()


def delayed(method: Callable[P, R], seconds: float) -> Callable[P, R]:
    """Wait so many seconds before each call."""

    @wraps(method)
    def call(*args: P.args, **options: P.kwargs) -> R:
        time.sleep(seconds)
        return method(*args, **options)

    return call


def stretched(method: Callable[P, R], share: float) -> Callable[P, R]:
    """Have each call take that share of its processor time once more; a call within another is the other's part."""

    @wraps(method)
    def call(*args: P.args, **options: P.kwargs) -> R:
        if getattr(_within, "one", False):
            return method(*args, **options)
        _within.one, began = True, time.thread_time()
        try:
            return method(*args, **options)
        finally:
            spin(share * (time.thread_time() - began))
            _within.one = False

    return call


def spin(seconds: float) -> None:
    """Use the processor for so many seconds of this thread."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def replace(owner: object, name: str, make: Callable[[Callable[P, R]], Callable[P, R]]) -> None:
    """Put what `make` gives in the place of a method; raises AttributeError for one that is gone."""
    setattr(owner, name, make(getattr(owner, name)))
