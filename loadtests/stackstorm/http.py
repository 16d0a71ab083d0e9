"""HTTP as lean as it gets: one connection, requests as bytes, answers read by their length.

Client and server share the machine's cores: a client that parsed headers would be measured with the server.
"""

from __future__ import annotations

import json
import re
import socket
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

READ_BYTES: Final = 65_536
SECONDS: Final = 60.0
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TOTAL: Final = re.compile(rb"\r\nx-total-count: *(\d+)", re.IGNORECASE)


class Connection:
    """One connection that stays open; raises ConnectionError for an answer of 400 or more, or none."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host = parts.netloc
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def post(self, path: str, body: Mapping[str, Any]) -> None:
        """Post JSON; the answer's body is not looked at."""
        raw = json.dumps(body).encode()
        head = f"POST /v1{path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
        self._exchange(b"%bContent-Length: %d\r\n\r\n%b" % (head.encode(), len(raw), raw))

    def get(self, path: str) -> Any:  # noqa: ANN401 an answer may be any JSON
        """Get JSON."""
        return json.loads(self._exchange(self._asked(path))[1])

    def total(self, path: str) -> int:
        """Tell how long a list is in all."""
        found = _TOTAL.search(self._exchange(self._asked(path))[0])
        return int(found[1]) if found else 0

    def _asked(self, path: str) -> bytes:
        return f"GET /v1{path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode()

    def _exchange(self, request: bytes) -> tuple[bytes, bytes]:
        self._socket.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._received()
        head, _, body = received.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0
        while len(body) < length:
            body += self._received()
        if head[9:10] != b"2":
            raise ConnectionError(f"expected an answer of 2xx, got {head.decode()} {body.decode()}")
        return head, body

    def _received(self) -> bytes:
        data = self._socket.recv(READ_BYTES)
        if not data:
            raise ConnectionError("expected an answer, got the end of the connection")
        return data
