"""HTTP sessions whose answers are bounded: in seconds, however slowly they drip, and in bytes, however much comes.

The time-out of `requests` holds for each read alone: a destination that sends one byte before each of them runs out
would hold a relay for ever.
"""

from __future__ import annotations

import http.client
import io
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    import socket

# How often the time-out fits into the time for a whole answer.
WHOLE_ANSWER: Final = 3.0
# Characters that are told of what a destination answered, and how many bytes they have at most.
LONGEST_TOLD: Final = 200
MOST_TOLD: Final = 4 * LONGEST_TOLD
# No destination has that much to say about a batch.
MOST_ANSWERED: Final = 4 * 1024 * 1024


class _Bounded(io.RawIOBase):
    """What comes from a socket, until the time for all of it is over or it is too much."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw, self._sock = raw, sock
        self._each = sock.gettimeout()
        self._until = None if self._each is None else monotonic() + WHOLE_ANSWER * self._each
        self._left = MOST_ANSWERED

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - whatever has the protocol of a buffer
        if self._until is not None and self._each is not None:
            left = self._until - monotonic()
            if left <= 0:
                raise TimeoutError("the answer took too long")
            self._sock.settimeout(min(self._each, left))
        read = self._raw.readinto(buffer)
        self._left -= read or 0
        if self._left < 0:
            raise OSError(f"expected an answer of at most {MOST_ANSWERED} bytes, got more")
        return read

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedAnswer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *given: Any, **named: Any) -> None:
        super().__init__(sock, *given, **named)
        self.fp: io.BufferedReader = io.BufferedReader(_Bounded(self.fp.detach(), sock))


class _Connection(HTTPConnection):
    response_class = _BoundedAnswer


class _TlsConnection(HTTPSConnection):
    response_class = _BoundedAnswer


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


POOLS: Final = {"http": _Pool, "https": _TlsPool}


class BoundedAdapter(HTTPAdapter):
    """Keeps connections, through a proxy too, whose answers are bounded; it repeats nothing."""

    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        """Have the pools make connections of ours."""
        super().init_poolmanager(*given, **named)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - as requests has it
        """Have a proxy's pools do so too."""
        manager = super().proxy_manager_for(*given, **named)
        manager.pool_classes_by_scheme = POOLS
        return manager


def words(answer: requests.Response) -> str:
    """Give the beginning of what was answered as text, whatever charset it names: some of them cannot be read."""
    return answer.content[:MOST_TOLD].decode(errors="replace")[:LONGEST_TOLD].strip()


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leave the headers alone: without this, requests would put what a ~/.netrc holds in the place of our own key."""
    return request


def session() -> requests.Session:
    """Open a session. A post's time-out holds for connecting and for each read; the answer gets thrice as long."""
    made = requests.Session()
    made.auth = _as_it_is
    for scheme in ("http://", "https://"):
        made.mount(scheme, BoundedAdapter())
    return made
