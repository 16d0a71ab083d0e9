"""When a circuit opens, for how long, and how it comes back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from orchestrator.domain.backoff import LONGEST_RETRY_AFTER, Backoff

NEVER: Final = math.inf
OPENING: Final = Backoff(base=1.0, cap=30.0)
PARKING: Final = Backoff(base=60.0, cap=300.0)


@dataclass(frozen=True, slots=True)
class Policy:
    """The numbers of a circuit breaker; times in seconds, rates and shares from 0 to 1.

    It opens after `in_a_row` failures without a success between; or when, of at least `minimum_calls` in the last
    `window` seconds, `failure_rate` failed or `slow_rate` took `slow_seconds` or more. `opening` is for how long, by
    the times in a row; `parking` the same where a person must mend something. While half-open at most `permits` calls
    are under way, and `successes` of them close it; then `first_share` of a batch goes, doubled with each success.
    """

    in_a_row: int = 5
    window: float = 60.0
    minimum_calls: int = 10
    failure_rate: float = 0.5
    slow_seconds: float = 5.0
    slow_rate: float = 0.8
    opening: Backoff = OPENING
    parking: Backoff = PARKING
    permits: int = 1
    successes: int = 1
    first_share: float = 1 / 64

    @property
    def longest(self) -> float:
        """Give the longest that it can be open, in seconds, unless an operator holds it open."""
        return max(LONGEST_RETRY_AFTER, self.opening.cap, self.parking.cap)


def asked(retry_after: float | None) -> float:
    """Give a Retry-After in seconds as far as it is believed; 0 for none, and for what is no time."""
    return min(retry_after, LONGEST_RETRY_AFTER) if retry_after is not None and retry_after > 0 else 0.0
