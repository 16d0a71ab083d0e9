"""Identifiers and times in the forms that StackStorm's API gives them."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from datetime import UTC, datetime
from functools import lru_cache

_STARTED = os.urandom(5).hex()
_lock = threading.Lock()
_LAST = 0xFFFFFF
_second, _count = 0, 0


def new_id() -> str:
    """Make a 24-digit identifier that sorts by its birth, as MongoDB's do; a clock that is set back changes nothing."""
    global _second, _count  # noqa: PLW0603 the counter is what makes two identifiers of one second differ
    with _lock:
        now = int(time.time())
        if now > _second or _count == _LAST:
            _second, _count = max(now, _second + 1), 0
        else:
            _count += 1
        return f"{_second:08x}{_STARTED}{_count:06x}"


@lru_cache(maxsize=4096)
def stable_id(uid: str) -> str:
    """Make the identifier of something that a pack declares: the same after every restart."""
    return hashlib.sha256(uid.encode()).hexdigest()[:24]


def timestamp(moment: float | None = None) -> str:
    """Give a time (seconds since the epoch; now by default) in RFC 3339 with microseconds."""
    value = datetime.now(UTC) if moment is None else datetime.fromtimestamp(moment, UTC)
    return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def seconds_between(start: str, end: str) -> float:
    """Give the seconds between two such timestamps."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
