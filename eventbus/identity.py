"""How events are named: a new one by the time, a failure by its run, or by its message where that tells no task."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

import orjson

from eventbus.frozen import freeze, text

if TYPE_CHECKING:
    from collections.abc import Mapping

# The namespace of every id that Redrive derives from others (RFC 9562, section 5.5).
NAMESPACE: Final = UUID("5b1c0a52-52f5-5d0a-9a51-6d7c1f0f6a10")

# The bits of a UUID that tell its version and variant, and how they are in one of version 7.
_MARKS: Final = 0xF << 76 | 0x3 << 62
_VERSION_7: Final = 0x7 << 76 | 0x2 << 62


def time_ordered(milliseconds: int, dice: int) -> UUID:
    """Make a UUID of version 7 (RFC 9562, section 5.7) of unix time and 80 random bits, of which it keeps 74.

    Such names follow the time: each store adds them to the end of its index, not all over it.
    """
    return UUID(int=(milliseconds << 80 | dice) & ~_MARKS | _VERSION_7)


def failure_id(task_id: str, retries: int, attempt_id: str | None) -> UUID:
    """Name one run of a task: the same run seen twice, from child and parent, has the same id."""
    return uuid5(NAMESPACE, text(f"{task_id}/{retries}/{attempt_id or 'none'}"))


def message_failure_id(queue: str, headers: Mapping[str, Any] | None, body: bytes) -> UUID:
    """Name the failure of a message that tells no task id; what a broker adds on the way (`x-...`) does not count."""
    own = {text(name): freeze(value) for name, value in (headers or {}).items() if not str(name).startswith("x-")}
    digest = sha256(orjson.dumps(own, option=orjson.OPT_SORT_KEYS) + body).hexdigest()
    return uuid5(NAMESPACE, f"{text(queue)}/{digest}")
