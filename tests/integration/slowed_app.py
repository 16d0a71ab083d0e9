"""The timed sample app, slow in hooks of the plugin or in its result backend: a test sees which figure each falls into.

SLOWED names them, as JSON: {"Class.method": seconds}.
"""

from __future__ import annotations

import json
import os
import time
from functools import wraps
from typing import TYPE_CHECKING, Any

from celery.backends.database import DatabaseBackend

from eventbus.parent import Parent
from eventbus.reporter import Reporter
from eventbus.tracer import Tracer
from loadtests.apps.timed import app

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["app"]

OWNERS = {owner.__name__: owner for owner in (DatabaseBackend, Parent, Reporter, Tracer)}


def slow_down(owner: type, name: str, seconds: float) -> None:
    """Have a method sleep before it does what it did."""
    method: Callable[..., Any] = getattr(owner, name)

    @wraps(method)
    def slow(*args: Any, **options: Any) -> object:
        time.sleep(seconds)
        return method(*args, **options)

    setattr(owner, name, slow)


for place, seconds in json.loads(os.environ["SLOWED"]).items():
    slow_down(OWNERS[place.partition(".")[0]], place.partition(".")[2], seconds)
