"""How long to wait before something is tried again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

# Seconds. The longest that a Retry-After is believed: a slip of the other side must not park a sink for days.
LONGEST_RETRY_AFTER: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """A series of distances in seconds: `base`, doubled with each turn, up to `cap`."""

    base: float
    cap: float

    def seconds(self, turn: int, jitter: float) -> float:
        """Give the distance at a turn, counted from 0; `jitter` in [0, 1) takes up to half of it off."""
        return min(self.cap, self.base * 2.0 ** min(turn, 30)) * (1 - jitter / 2)


def asked_seconds(retry_after: str | None, now: datetime) -> float | None:
    """Read a Retry-After header, which holds seconds or an HTTP date (RFC 9110, section 10.2.3); None for neither."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        return _until(retry_after, now)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _until(date: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())
