"""What the real gateway checks (rudder-server, gateway/): status and plain text for a refusal, messages otherwise."""

from __future__ import annotations

import zlib
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_BYTES: Final = 4_096_000
SINGLE_CALLS: Final = frozenset({"alias", "group", "identify", "page", "screen", "track"})
GZIP_WINDOW: Final = 31

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One POST: header names are lower case, `body` is as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Refusal(Exception):
    """The answer to a request that is not accepted: nothing of its batch is."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def accept(request: Request, write_key: str) -> list[Message]:
    """Check a request whole and give its messages; raises Refusal for the first thing wrong."""
    call = request.path.removeprefix("/v1/")
    if call != "batch" and call not in SINGLE_CALLS:
        raise Refusal(404, "404 page not found")
    _authorise(request.headers.get("authorization", ""), write_key)
    payload = _parsed(_unpacked(request))
    messages = _batch(payload) if call == "batch" else [payload | {"type": call}]
    for message in messages:
        _check(message)
    return messages


def _authorise(header: str, write_key: str) -> None:
    scheme, _, encoded = header.partition(" ")
    try:
        user, _, _ = b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        user = ""
    if scheme.lower() != "basic" or not user:
        raise Refusal(401, "Failed to read writeKey from header")
    if user != write_key:
        raise Refusal(401, "Invalid Write Key")


def _unpacked(request: Request) -> bytes:
    body = request.body
    if request.headers.get("content-encoding", "").lower() == "gzip":
        body = _unzipped(body)
    if not body:
        raise Refusal(400, "Request body is nil")
    if len(body) > MOST_BYTES:
        raise Refusal(413, "Request size exceeds max limit")
    return body


def _unzipped(body: bytes) -> bytes:
    """Unpack no more than it takes to see that the limit is passed."""
    try:
        return zlib.decompressobj(wbits=GZIP_WINDOW).decompress(body, MOST_BYTES + 1)
    except zlib.error as error:
        raise Refusal(400, f"Failed to read body from request: {error}") from error


def _parsed(body: bytes) -> Message:
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, "Invalid JSON") from error
    if not isinstance(payload, dict):
        raise Refusal(400, "Invalid JSON")
    return payload


def _batch(payload: Message) -> list[Message]:
    batch = payload.get("batch")
    if not isinstance(batch, list) or not batch:
        raise Refusal(400, "Empty batch payload")
    if not all(isinstance(message, dict) for message in batch):
        raise Refusal(400, "Event is not a Valid Rudder Event")
    return batch


def _check(message: Message) -> None:
    if not isinstance(message.get("context", {}), dict) or not isinstance(message.get("type"), str):
        raise Refusal(400, "Event is not a Valid Rudder Event")
    if not any(str(message.get(name) or "").strip() for name in ("anonymousId", "userId")):
        raise Refusal(400, "Request neither has anonymousId nor userId")
