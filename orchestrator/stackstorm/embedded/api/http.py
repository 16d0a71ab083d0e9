"""A small HTTP server: a thread for each connection, JSON in and out, faults as StackStorm's `faultstring`."""

from __future__ import annotations

import json
import logging
import socket
import sys
import time
import uuid
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from orchestrator.stackstorm.embedded.access import Credentials
from orchestrator.stackstorm.embedded.api import bodies, heads
from orchestrator.stackstorm.embedded.errors import ContentError, Fault
from orchestrator.stackstorm.embedded.executions import USER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from email.message import Message
    from io import BufferedReader

PREFIXES: Final = ("/v1/", "/api/v1/", "/auth/v1/", "/auth/")
# Where a user's password is asked for instead of a token; st2client takes it from ST2_AUTH_URL.
TOKENS: Final = "/tokens"
METHODS: Final = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
# What is read and dropped of a refused body, so that the client reads the refusal and no broken connection.
DRAINED: Final = 64_000_000
DRAIN_SECONDS: Final = 1.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """One request: the path without the version, the last value of each query parameter, the decoded body, the user."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Message
    body: Any = None
    user: str = USER


@dataclass(frozen=True, slots=True)
class Response:
    """One answer; `body` None is an empty one."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


class Server(ThreadingHTTPServer):
    """Serves an application, a function from Request to Response that raises Fault.

    `let_in` gives the user of a request's credentials, or raises Fault 401 or 403.
    """

    daemon_threads = True
    request_queue_size = 512

    def __init__(
        self, host: str, port: int, application: Callable[[Request], Response], let_in: Callable[[Credentials], str]
    ) -> None:
        super().__init__((host, port), _Handler)
        self.application = application
        self.let_in = let_in

    def server_bind(self) -> None:
        """Bind without asking the resolver for a name, which http.server does and which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let a client go that went away or kept silent; log whatever else broke its connection."""
        del request
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            log.error("api.connection_failed client=%s", client_address, exc_info=error)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Server
    raw_requestline: bytes
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm: ClassVar[bool] = True
    wbufsize = -1
    # Seconds that a client may keep silent, in the middle of a request or between two.
    timeout = 60

    def parse_request(self) -> bool:
        """Read the head of a request; tells whether there is something to answer."""
        head = heads.plain(self.raw_requestline, cast("BufferedReader", self.rfile))
        if head is None:
            return super().parse_request()
        self.command, self.path, self.headers = head
        self.requestline, self.request_version = "", self.protocol_version
        self.close_connection = self.headers.get("Connection", "").lower() == "close"
        return True

    def _serve(self) -> None:
        try:
            response = self._answer()
        except bodies.Unframed as fault:
            self.close_connection = True
            response = Response(fault.status, {"faultstring": fault.faultstring})
        except Fault as fault:
            response = Response(fault.status, {"faultstring": fault.faultstring})
        except ContentError as error:
            response = Response(400, {"faultstring": str(error)})
        except (TimeoutError, ConnectionError):
            raise
        except Exception:
            log.exception("api.request_failed path=%s", urlsplit(self.path).path)
            response = Response(500, {"faultstring": "Internal Server Error"})
        self._send(response)
        if self.close_connection and response.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            self._drain()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _serve  # noqa: N815 http.server looks the methods up by these names

    def _answer(self) -> Response:
        split = urlsplit(self.path)
        raw = bodies.raw(self.headers, self.rfile)  # read before anything is refused: the next request lies behind it
        if self.command == "OPTIONS":
            return Response(200, None, {"Allow": METHODS})
        path = _path(split.path)
        query = {name: values[-1] for name, values in parse_qs(split.query, keep_blank_values=True).items()}
        given = self._credentials(query)
        user = USER if path == TOKENS else self.server.let_in(given)
        body = bodies.decoded(raw, self.headers.get("Content-Type", "application/json"))
        method = "GET" if self.command == "HEAD" else self.command
        return self.server.application(Request(method, path, query, self.headers, body, user))

    def _credentials(self, query: dict[str, str]) -> Credentials:
        token, key = query.pop("x-auth-token", None), query.pop("st2-api-key", None)
        return Credentials(
            self.headers.get("X-Auth-Token") or token or self._cookie("auth-token"),
            self.headers.get("St2-Api-Key") or key,
            self.headers.get("Host"),
            self.headers.get("Origin"),
        )

    def _cookie(self, name: str) -> str | None:
        given = self.headers.get("Cookie")
        if given is None:
            return None
        try:
            found = SimpleCookie(given).get(name)
        except CookieError:
            return None
        return found.value if found else None

    def _send(self, response: Response) -> None:
        raw = b"" if response.body is None else _encode(response)
        self.send_response(response.status)
        if response.body is not None:
            self.send_header("Content-Type", response.content_type)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("X-Request-Id", self._request_id())
        if response.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(raw)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def _request_id(self) -> str:
        """Give the request's own id back, or make one; a request line that was not understood has no headers."""
        own = self.headers.get("X-Request-Id", "") if hasattr(self, "headers") else ""
        return own if own.isascii() and own.isprintable() and own else str(uuid.uuid4())

    def _drain(self) -> None:
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(DRAIN_SECONDS)
        left = DRAINED
        while left > 0 and (dropped := len(self.rfile.read1(65_536))):
            left -= dropped

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is no HTTP request as every other fault: with a `faultstring`, and the connection closed."""
        del explain
        self.close_connection = True
        self.command, self.request_version = getattr(self, "command", None) or "GET", self.protocol_version
        self._send(Response(code, {"faultstring": message or HTTPStatus(code).phrase}))

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Give the time as a header has it."""
        return _date(int(time.time() if timestamp is None else timestamp))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 http.server names it so
        """Say nothing: a request's line may hold a key."""


@lru_cache(maxsize=1)
def _date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def _path(whole: str) -> str:
    """Give the path below the version, decoded; raises Fault 404."""
    if whole.rstrip("/") == TOKENS:
        return TOKENS
    for prefix in PREFIXES:
        if whole.startswith(prefix):
            return "/" + unquote(whole.removeprefix(prefix)).rstrip("/")
    raise Fault(404, "The resource could not be found.")


def _encode(response: Response) -> bytes:
    if isinstance(response.body, str) and response.content_type != "application/json":
        return response.body.encode()
    try:
        return orjson.dumps(response.body)
    except TypeError:  # numbers of more than 64 bits, halves of characters, keys that are no text
        return json.dumps(response.body).encode()
