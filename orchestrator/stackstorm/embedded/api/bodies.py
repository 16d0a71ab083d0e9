"""The body of a request: counted or chunked, never larger than it may be, decoded by its content type."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from orchestrator.stackstorm.embedded.content.schemas import first_problem
from orchestrator.stackstorm.embedded.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message
    from io import BufferedIOBase

MAX_BODY: Final = 10_000_000
LONGEST_LINE: Final = 1_000
FORM: Final = "application/x-www-form-urlencoded"
# A pattern of JSON Schema: JSON has halves of characters too, which no name can hold that is to be stored or hashed.
WHOLE_CHARACTERS: Final = r"^[^\ud800-\udfff]*$"
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,8}[ \t]*(;[^\r\n]*)?\r?\n")


class Unframed(Fault):
    """A request whose end cannot be told: its connection is closed after the answer."""


def raw(headers: Message, stream: BufferedIOBase) -> bytes:
    """Read a request's body from its connection; raises Unframed (400, 411, 413)."""
    encoding, length = headers.get("Transfer-Encoding"), headers.get("Content-Length")
    if encoding is not None:
        if encoding.lower() != "chunked" or length is not None:
            raise Unframed(400, f"expected a body that is either counted or chunked, got {encoding!r} and {length!r}")
        return _chunked(stream)
    if length is not None and not (length.isascii() and length.isdigit()):
        raise Unframed(400, f"expected Content-Length to be a number of bytes, got {length!r}")
    return _exactly(stream, _allowed(int(length or 0)))


def decoded(body: bytes, content_type: str) -> Any:
    """Give what a body says: JSON, a form's lists of values, or text; None for an empty one. Raises Fault 400."""
    if not body:
        return None
    kind = content_type.partition(";")[0].strip().lower()
    try:
        text = body.decode()
        if kind == "application/json":
            return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Fault(400, f"Failed to parse request body: {error}") from None
    return parse_qs(text) if kind == FORM else text


def checked(body: Any, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Give a decoded body as its schema describes it, an empty one as {}; raises Fault 400."""
    asked: dict[str, Any] = {} if body is None else body
    problem = first_problem(asked, schema)
    if problem is not None:
        raise Fault(400, problem[1])
    return asked


def _chunked(stream: BufferedIOBase) -> bytes:
    found = bytearray()
    while True:
        line = stream.readline(LONGEST_LINE)
        if not _CHUNK_SIZE.fullmatch(line):
            raise Unframed(400, "expected the size of a chunk in hexadecimal digits")
        size = int(line.partition(b";")[0], 16)
        if size == 0:
            break
        _allowed(len(found) + size)
        found += _exactly(stream, size)
        if stream.readline(LONGEST_LINE).strip():
            raise Unframed(400, "expected a chunk to end where its size says")
    while stream.readline(LONGEST_LINE).strip():
        pass  # trailers say nothing that is needed here
    return bytes(found)


def _allowed(size: int) -> int:
    if size > MAX_BODY:
        raise Unframed(413, f"expected a body of at most {MAX_BODY} bytes, got {size}")
    return size


def _exactly(stream: BufferedIOBase, size: int) -> bytes:
    found = stream.read(size) if size else b""
    if len(found) < size:
        raise Unframed(400, f"expected {size} bytes of body, got {len(found)}")
    return found
