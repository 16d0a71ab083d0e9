"""What an exception shows of a dependency's answer: status, error code, headers; whatever the client's library.

The shapes are those of requests 2.34, httpx 0.28, urllib, aiohttp 3.14, openai 3.57, anthropic 2.14, google-api-core
2.44, grpcio 1.85, botocore 1.44, stripe 16.1, psycopg 3.3, psycopg2 2.9, SQLAlchemy 2.1 and amqp 5.4. None of them is
imported, and of a body is read what the library has parsed already.
"""

from __future__ import annotations

import re
from errno import errorcode
from ssl import SSLError
from typing import TYPE_CHECKING, Any, Final

from eventbus.attributes import attribute, found, item

if TYPE_CHECKING:
    from collections.abc import Iterator

HTTP_STATUS: Final = range(100, 600)
AMQP_REPLIES: Final = range(100, 1000)
# What the worker itself knows of a loss, set on its exception.
SEEN: Final = "redrive_code"
SHORTEST_CODE: Final = 3
LONGEST_CODE: Final = 64
# A provider's word for an error. It has no longer run of digits: what could be somebody's number is no such word.
_WORD: Final = re.compile(r"[A-Za-z]+(?:(?:[0-9][_.:-]?|[_.:-])[A-Za-z]+)*", re.ASCII)
_SQLSTATE: Final = re.compile(r"(?=[0-9A-Z]*[0-9])[0-9A-Z]{5}", re.ASCII)
# Of the operating system's errors those that say more than the exception's type.
_TOLD: Final = frozenset({
    "ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "ENOMEM", "ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EPIPE",
    "ETIMEDOUT", "EHOSTUNREACH", "EHOSTDOWN", "ENETUNREACH", "ENETDOWN",
})  # fmt: skip


def status_of(error: BaseException) -> int | None:
    """Give the HTTP status that an exception tells of."""
    return next((status for each in _statuses(error) if (status := _status(each)) is not None), None)


def code_of(error: BaseException) -> str | None:
    """Give the error code that an exception tells of: a SQLSTATE, `amqp-404`, a provider's word, or `ENOSPC`.

    Of the operating system's errors only one that shows no status tells its own.
    """
    for name in ("sqlstate", "pgcode"):
        state = attribute(error, name)
        if isinstance(state, str) and _SQLSTATE.fullmatch(state):
            return str.__str__(state)
    if seen := _word(item(attribute(error, "__dict__"), SEEN)):
        return seen
    reply = attribute(error, "reply_code")
    if isinstance(reply, int) and int.__index__(reply) in AMQP_REPLIES:
        return f"amqp-{int.__index__(reply)}"
    word = next((word for each in _words(error) if (word := _word(each)) is not None), None)
    return word or (_errno(error) if status_of(error) is None else None)


def headers_of(error: BaseException) -> Any:  # noqa: ANN401 - whatever a client calls headers
    """Give the headers of the answer, None where there is none."""
    response = attribute(error, "response")
    aws = item(response, "ResponseMetadata", "HTTPHeaders")
    return found(lambda: aws or attribute(response, "headers")) or attribute(error, "headers")


def _statuses(error: BaseException) -> Iterator[object]:
    response = attribute(error, "response")
    yield item(response, "ResponseMetadata", "HTTPStatusCode")
    yield attribute(response, "status_code")
    yield attribute(response, "status")
    for name in ("status_code", "status", "http_status"):
        yield attribute(error, name)
    # AMQP's replies look like HTTP's and are others.
    if attribute(error, "reply_code") is None:
        yield attribute(error, "code")


def _words(error: BaseException) -> Iterator[object]:
    """Give what may be a provider's word: of an exception that shows an answer, not of anybody's that has a `code`."""
    response, body = attribute(error, "response"), attribute(error, "body")
    yield item(response, "Error", "Code")
    for told in (body, item(body, "error")):
        yield item(told, "code")
        yield item(told, "type") if item(told, "type") != "error" else None
    if type(error).__module__.startswith("grpc"):
        yield _grpc(error)
    if body is None and response is None and status_of(error) is None:
        return
    # Only what was set on it: a property may compute, or warn that it is to be given up.
    own = attribute(error, "__dict__")
    yield item(own, "code")
    yield item(own, "status")


def _grpc(error: BaseException) -> object:
    return attribute(found(attribute(error, "code")), "name")


def _errno(error: BaseException) -> str | None:
    if not isinstance(error, OSError) or isinstance(error, SSLError):
        return None
    number = attribute(error, "errno")
    name = errorcode.get(number) if isinstance(number, int) else None
    return name if name in _TOLD else None


def _status(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    number = int.__index__(value)
    return number if number in HTTP_STATUS else None


def _word(value: object) -> str | None:
    word = str.__str__(value) if isinstance(value, str) else ""
    return word if SHORTEST_CODE <= len(word) <= LONGEST_CODE and _WORD.fullmatch(word) else None
