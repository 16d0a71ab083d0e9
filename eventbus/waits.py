"""How long a dependency asked to wait, in seconds from now: by Retry-After, or by when its limits are lifted.

Sources: RFC 9110, 10.2.3; OpenAI's and Anthropic's pages on rate limits; GitHub's; IETF draft ratelimit-headers-07.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from eventbus.answers import headers_of, status_of
from eventbus.attributes import attribute, header, item

LONGEST_WAIT: Final = 366 * 86_400.0
LONGEST_VALUE: Final = 64
TOO_MANY_REQUESTS: Final = 429
# Of these answers a limit that is used up tells why; other 4xx and 5xx carry the same headers for no reason.
_MAY_BE_LIMITED: Final = frozenset({TOO_MANY_REQUESTS, 403, 503})
# From here on a number is a moment (seconds since 1970), from there on one in milliseconds.
_SINCE_1970: Final = 1e9
_MILLISECONDS: Final = 1e11
_DURATION: Final = re.compile(
    r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9}(?:\.\d{1,9})?)s)?(?:(\d{1,9}(?:\.\d{1,9})?)ms)?",
    re.ASCII,
)
_UNITS: Final = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)
# For each limit: when it is lifted, what is left of it, how much it allows.
_LIMITS: Final = (
    *((f"x-ratelimit-reset-{of}", f"x-ratelimit-remaining-{of}", f"x-ratelimit-limit-{of}")
      for of in ("requests", "tokens")),
    *((f"anthropic-ratelimit-{of}-reset", f"anthropic-ratelimit-{of}-remaining", f"anthropic-ratelimit-{of}-limit")
      for of in ("requests", "tokens", "input-tokens", "output-tokens")),
    *((f"{of}-reset", f"{of}-remaining", f"{of}-limit") for of in ("x-ratelimit", "ratelimit", "x-rate-limit")),
)  # fmt: skip


def wait_of(error: BaseException, now: datetime) -> float | None:
    """Give the seconds that the other side asked to wait: its own word, Retry-After, or the lifting of a limit."""
    told = _number(attribute(error, "retry_after"))
    if told is None:
        told = _by_headers(headers_of(error), status_of(error), now)
    if told is None:
        told = _by_details(attribute(error, "details"))
    return None if told is None else min(max(0.0, told), LONGEST_WAIT)


def _by_headers(headers: Any, status: int | None, now: datetime) -> float | None:  # noqa: ANN401 - a client's
    if headers is None:
        return None
    milliseconds = _number(header(headers, "retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = header(headers, "retry-after")
    told = _date(value, now) if _number(value) is None else _number(value)
    return _limit_lifted(headers, status, now) if told is None and status in _MAY_BE_LIMITED else told


def _limit_lifted(headers: Any, status: int | None, now: datetime) -> float | None:  # noqa: ANN401 - a client's
    """Tell when the limit is lifted of which least is left; of several, the last."""
    waits: dict[float, float] = {}
    for reset, remaining, limit in _LIMITS:
        wait = moment_or_duration(header(headers, reset), now)
        if wait is not None:
            share = _share(header(headers, remaining), header(headers, limit))
            waits[share] = max(wait, waits.get(share, 0.0))
    least = min(waits, default=None)
    return waits[least] if least is not None and (least == 0 or status == TOO_MANY_REQUESTS) else None


def _share(remaining: object, limit: object) -> float:
    """Give the share of a limit that is left; of one that does not say it, all."""
    left, allowed = _number(remaining), _number(limit)
    if left is None:
        return 1.0
    return min(1.0, max(0.0, left) / allowed) if allowed else float(left > 0)


def moment_or_duration(value: object, now: datetime) -> float | None:
    """Read `6m0s`, `12`, seconds or milliseconds since 1970, an RFC 3339 or an HTTP date as seconds from now."""
    number = _number(value)
    if number is not None:
        since_1970 = number / 1000 if number >= _MILLISECONDS else number
        return since_1970 - now.timestamp() if number >= _SINCE_1970 else number
    text = value.strip()[:LONGEST_VALUE] if isinstance(value, str) else ""
    if text and (found := _DURATION.fullmatch(text)):
        return sum(float(each) * unit for each, unit in zip(found.groups(), _UNITS, strict=True) if each)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _date(text, now)
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()


def _by_details(details: object) -> float | None:
    """Read google.rpc.RetryInfo, as Gemini's JSON has it."""
    listed = item(details, "error", "details")
    waits = [item(each, "retryDelay") for each in listed[:20]] if isinstance(listed, list) else []
    found = next((_DURATION.fullmatch(each) for each in waits if isinstance(each, str) and each), None)
    return float(found[4]) if found and found[4] else None


def _number(value: object) -> float | None:
    if isinstance(value, timedelta):
        return timedelta.total_seconds(value)
    if isinstance(value, str | bytes) and len(value) > LONGEST_VALUE:
        return None
    try:
        seconds = float(value)  # type: ignore[arg-type]  # what is no number is refused on the next line
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None


def _date(value: object, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(str(value)[:LONGEST_VALUE])
        return (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
