"""How long to wait before something is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

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
