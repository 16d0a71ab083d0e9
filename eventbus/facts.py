"""What is known of an exception, gathered where it was raised: not all of it survives the way to another process."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGE_CHARACTERS: Final = 4096
TRACEBACK_CHARACTERS: Final = 32768
HTTP_STATUS: Final = range(100, 600)
_CHAIN_LENGTH: Final = 16


def facts_of(error: BaseException, traceback: str, now: datetime) -> dict[str, Any]:
    """Give type, message, traceback, chain, HTTP status and Retry-After (seconds from `now`); never raises."""
    chain = list(_chain(error))
    return {
        "type": type_name(error),
        "message": _shorten(_text(error), MESSAGE_CHARACTERS),
        "traceback": _shorten(traceback, TRACEBACK_CHARACTERS),
        "chain": [type_name(each) for each in chain[1:]],
        "status": next((status for each in chain if (status := status_of(each)) is not None), None),
        "retry_after": next((wait for each in chain if (wait := retry_after_of(each, now)) is not None), None),
    }


def type_name(error: BaseException) -> str:
    """Give the name of an exception's type with its module, `builtins.ValueError`."""
    return f"{type(error).__module__}.{type(error).__qualname__}"


def status_of(error: BaseException) -> int | None:
    """Give the HTTP status an exception tells of, as requests, httpx, openai, aiohttp and urllib show it."""
    response = _attribute(error, "response")
    shown = [_attribute(error, "status_code"), _attribute(error, "status"), _attribute(error, "code")]
    for status in [_attribute(response, "status_code"), _attribute(response, "status"), *shown]:
        if isinstance(status, int) and not isinstance(status, bool) and status in HTTP_STATUS:
            return int(status)
    return None


def retry_after_of(error: BaseException, now: datetime) -> float | None:
    """Give the seconds that the other side asked to wait: its own word, or the response's header (RFC 9110, 10.2.3)."""
    told = _seconds(_attribute(error, "retry_after"))
    headers = _attribute(_attribute(error, "response"), "headers") or _attribute(error, "headers")
    if told is not None or headers is None:
        return told
    milliseconds = _seconds(_header(headers, "retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = _header(headers, "retry-after")
    return _until(value, now) if _seconds(value) is None else _seconds(value)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Give the exception and those beneath it, as a traceback shows them."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(seen) < _CHAIN_LENGTH:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _attribute(owner: object, name: str) -> Any:  # noqa: ANN401 - of an exception that we know nothing of
    try:
        return getattr(owner, name, None)
    except Exception:  # noqa: BLE001 - a property of somebody else's exception may do anything
        return None


def _header(headers: Any, name: str) -> object:  # noqa: ANN401 - whatever an HTTP client calls headers
    try:
        return headers.get(name) or headers.get(name.title())
    except Exception:  # noqa: BLE001 - it may be no mapping at all
        return None


def _seconds(value: object) -> float | None:
    try:
        seconds = float(value)  # type: ignore[arg-type]  # what is no number is refused on the next line
    except (TypeError, ValueError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _until(value: object, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(str(value))
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - somebody else's __str__
        return f"<no message: {type(broken).__name__} in __str__>"


def _shorten(text: str, limit: int) -> str:
    """Keep both ends of a long text, and what UTF-8 can hold of it."""
    if len(text) > limit:
        text = f"{text[: limit // 2]}\n... {len(text) - limit} characters left out ...\n{text[-limit // 2 :]}"
    return text.encode(errors="replace").decode()
