"""How the contestants retry: seconds of the world before each retry, None where they give up.

`count` is how many retries there were before. Sources: Celery's documentation of `retry_backoff` (the delay itself is
computed by Celery's own function, in the app); Sidekiq's wiki page 'Error Handling'; Temporal's default retry policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadtests.first_retry.settings import told

if TYPE_CHECKING:
    from random import Random

REDRIVE, CELERY, CELERY_RAISED, SIDEKIQ, TEMPORAL = "redrive", "celery", "celery-unlimited", "sidekiq", "temporal"
CELERY_CAP: Final = 600
CELERY_RETRIES: Final = 3
SIDEKIQ_RETRIES: Final = 25
SIDEKIQ_JITTER: Final = 10
TEMPORAL_INITIAL: Final = 1.0
TEMPORAL_CAP: Final = 100 * TEMPORAL_INITIAL
DOUBLINGS: Final = 30


@dataclass(frozen=True, slots=True)
class Contestant:
    """One that takes part, and its settings as the report states them."""

    name: str
    settings: str


CONTESTANTS: Final = (
    Contestant(REDRIVE, f"the pack's rules; {told()}"),
    Contestant(CELERY, "autoretry_for=(Exception,), retry_backoff=True: cap 600 s, full jitter, max_retries=3"),
    Contestant(CELERY_RAISED, "the same with max_retries=None"),
    Contestant(SIDEKIQ, "count**4 + 15 + rand(10) * (count + 1) seconds, 25 retries"),
    Contestant(TEMPORAL, "1 s, coefficient 2.0, at most 100 s, unlimited"),
)


def sidekiq(count: int, dice: Random) -> float | None:
    """Give the delay of Sidekiq's formula."""
    if count >= SIDEKIQ_RETRIES:
        return None
    return float(count**4 + 15 + dice.randrange(SIDEKIQ_JITTER) * (count + 1))


def temporal(count: int) -> float:
    """Give the delay of Temporal's default policy."""
    return min(TEMPORAL_INITIAL * 2.0 ** min(count, DOUBLINGS), TEMPORAL_CAP)


def celery_gives_up(name: str, count: int) -> bool:
    """Tell whether Celery's `max_retries` is used up."""
    return name == CELERY and count >= CELERY_RETRIES
