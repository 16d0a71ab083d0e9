"""What the answer of a destination over HTTP means for a batch (RFC 9110, section 15)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import requests

from orchestrator.domain.backoff import asked_seconds
from orchestrator.domain.events import Deferred, Delivered, Outcome
from orchestrator.sinks.parcels import Refused
from orchestrator.sinks.posting import words

if TYPE_CHECKING:
    from collections.abc import Callable

# 207 would say of each event what became of it, and nobody has agreed on how: it has delivered nothing for sure.
DELIVERED: Final = frozenset({200, 201, 202, 204})
TOO_LARGE: Final = 413
# These speak of what was sent: it is halved until each culprit stands alone.
REFUSED: Final = frozenset({400, TOO_LARGE, 422})
TIMED_OUT: Final = 408
TOO_MANY: Final = 429
SERVER_ERRORS: Final = 500


def posted(who: str, advice: str, send: Callable[[], requests.Response]) -> Delivered | Deferred | Refused:
    """Send, and tell what came of it; `who` answers, and `advice` is what to do where a setting is wrong."""
    try:
        answer = send()
    except requests.RequestException as error:
        return Deferred(f"no answer from {who}: {type(error).__name__}")
    return decide(answer, who, advice)


def decide(answer: requests.Response, who: str, advice: str) -> Delivered | Deferred | Refused:
    """Tell what an answer means for the batch. A redirection is not followed, and no delivery."""
    status = answer.status_code
    if status in DELIVERED:
        return Delivered()
    said = f"{who} answered {status}: {words(answer)}".rstrip(": ")
    waits = asked_seconds(answer.headers.get("Retry-After"), datetime.now(UTC))
    if status in REFUSED:
        return Refused(said, too_large=status == TOO_LARGE)
    if status == TOO_MANY:
        return Deferred(said, waits, Outcome.THROTTLE)
    if status == TIMED_OUT or status >= SERVER_ERRORS:
        return Deferred(said, waits)
    return Deferred(f"config: {said}; {advice}", waits, Outcome.CONFIG)
