"""A small HTTP server: a thread for each connection, JSON in and out, faults as StackStorm's `faultstring`."""

from __future__ import annotations

import hmac
import json
import logging
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from orchestrator.stackstorm.embedded.errors import ContentError, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from email.message import Message

MAX_BODY = 10_000_000
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """One request: the path without the version, the last value of each query parameter, the decoded JSON body."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Message
    body: Any = None


@dataclass(frozen=True, slots=True)
class Response:
    """One answer; `body` None is an empty one."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


class Server(ThreadingHTTPServer):
    """Serves an application, a function from Request to Response that raises Fault."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, application: Callable[[Request], Response], api_key: str | None) -> None:
        super().__init__((host, port), _Handler)
        self.application = application
        self.api_key = api_key

    def server_bind(self) -> None:
        """Bind without asking the resolver for a name, which http.server does and which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", int(self.server_address[1])

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm: ClassVar[bool] = True
    wbufsize = -1
    timeout = 60

    def _serve(self) -> None:
        try:
            response = self._answer()
        except Fault as fault:
            response = Response(fault.status, {"faultstring": fault.faultstring})
        except ContentError as error:
            response = Response(400, {"faultstring": str(error)})
        except Exception:
            log.exception("api.request_failed path=%s", self.path)
            response = Response(500, {"faultstring": "Internal Server Error"})
        self._send(response)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _serve  # noqa: N815 http.server looks the methods up by these names

    def _answer(self) -> Response:
        split = urlsplit(self.path)
        body = self._body()
        query = {name: values[-1] for name, values in parse_qs(split.query).items()}
        self._authenticate(query)
        if not split.path.startswith("/v1/"):
            raise Fault(404, "The resource could not be found.")
        path = split.path.removeprefix("/v1").rstrip("/")
        return self.server.application(Request(self.command, path, query, self.headers, body))

    def _body(self) -> Any:
        size = int(self.headers.get("Content-Length") or 0)
        if size > MAX_BODY:
            self.close_connection = True
            raise Fault(413, f"expected a body of at most {MAX_BODY} bytes, got {size}")
        raw = self.rfile.read(size) if size else b""
        if not raw or not self.headers.get("content-type", "application/json").startswith("application/json"):
            return raw.decode(errors="replace") if raw else None
        try:
            return json.loads(raw)
        except ValueError as error:
            raise Fault(400, f"Failed to parse request body: {error}") from None

    def _authenticate(self, query: dict[str, str]) -> None:
        wanted = self.server.api_key
        given = self.headers.get("St2-Api-Key") or query.pop("st2-api-key", None)
        if wanted is None:
            return
        if not given:
            raise Fault(401, "Unauthorized - One of Token or API key required.")
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            raise Fault(401, "Unauthorized")

    def _send(self, response: Response) -> None:
        raw = b"" if response.body is None else _encode(response)
        self.send_response(response.status)
        if raw:
            self.send_header("Content-Type", response.content_type)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("X-Request-Id", str(uuid.uuid4()))
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 http.server names it so
        log.debug(format, *args)


def _encode(response: Response) -> bytes:
    if isinstance(response.body, str) and response.content_type != "application/json":
        return response.body.encode()
    return json.dumps(response.body).encode()
