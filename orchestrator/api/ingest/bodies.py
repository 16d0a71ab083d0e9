"""The bytes of a request: unpacked in bounds, and read so that one bad value takes nothing else with it."""

from __future__ import annotations

import json
import zlib
from http import HTTPStatus
from typing import Any, Final

import orjson

# What the SDK of RudderStack may send at once is 8.4 MB.
MOST_BYTES: Final = 10 * 2**20
# Each member costs a copy of what follows it.
MOST_MEMBERS: Final = 64
GZIP: Final = 31


class Unreadable(Exception):
    """A body that nothing can be read from; `status` says why, `expected` and `got` what."""

    def __init__(self, status: HTTPStatus, expected: str, got: str) -> None:
        super().__init__(f"expected {expected}, got {got}")
        self.status = status
        self.expected = expected
        self.got = got


def unpacked(body: bytes, encoding: str) -> bytes:
    """Undo the Content-Encoding, `gzip` or none; raises Unreadable where that breaks a bound."""
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return body
    if encoding != "gzip":
        raise Unreadable(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Encoding gzip or none", repr(encoding[:40]))
    try:
        return _inflated(body)
    except zlib.error as error:
        raise Unreadable(HTTPStatus.BAD_REQUEST, "a body that gzip has packed", f"another one: {error}") from None


def _inflated(body: bytes) -> bytes:
    """Unpack one member after the other, no more than it takes to see that the limit is passed."""
    found = b""
    for _ in range(MOST_MEMBERS):
        if not body:
            return found
        packed = zlib.decompressobj(wbits=GZIP)
        found += packed.decompress(body, MOST_BYTES + 1 - len(found))
        if len(found) > MOST_BYTES:
            raise Unreadable(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MOST_BYTES} bytes when unpacked", "more")
        if not packed.eof:
            raise zlib.error("it ends too early")
        body = packed.unused_data
    if body:
        raise Unreadable(HTTPStatus.BAD_REQUEST, f"at most {MOST_MEMBERS} members of gzip", "more")
    return found


def parsed(body: bytes) -> tuple[Any, bool]:
    """Read JSON. True beside it: it may hold what JSON cannot (NaN, half characters), to be looked for; `unfit` does.

    Raises Unreadable for what is no JSON in any reading.
    """
    try:
        return orjson.loads(body), False
    except orjson.JSONDecodeError as error:
        why = str(error)
    try:
        return json.loads(body), True
    except (ValueError, RecursionError):
        raise Unreadable(HTTPStatus.BAD_REQUEST, "JSON", f"another thing: {why}") from None
