"""Identifiers and times in the forms that StackStorm's API gives them."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from datetime import UTC, datetime

_STARTED = os.urandom(5).hex()
_lock = threading.Lock()
_count = int.from_bytes(os.urandom(3))


def new_id() -> str:
    """Make a 24-digit identifier that sorts by its time of birth, as MongoDB's do."""
    global _count  # noqa: PLW0603 the counter is what makes two identifiers of one second differ
    with _lock:
        _count = (_count + 1) & 0xFFFFFF
        return f"{int(time.time()):08x}{_STARTED}{_count:06x}"


def stable_id(uid: str) -> str:
    """Make the identifier of something that a pack declares: the same after every restart."""
    return hashlib.sha256(uid.encode()).hexdigest()[:24]


def timestamp(moment: float | None = None) -> str:
    """Give a time (seconds since the epoch; now by default) in RFC 3339 with microseconds."""
    value = datetime.now(UTC) if moment is None else datetime.fromtimestamp(moment, UTC)
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds_between(start: str, end: str) -> float:
    """Give the seconds between two such timestamps."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
