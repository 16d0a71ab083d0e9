"""The data plane over HTTP: POST /v1/batch and the single calls; GET /stats and /messages?limit= to look inside."""

from __future__ import annotations

from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

import orjson

from orchestrator.dev.dataplane.gateway import MOST_BYTES, Refusal, Request, accept

if TYPE_CHECKING:
    from orchestrator.dev.dataplane.store import Store

MOST_LISTED: Final = 1000


class DataPlane(ThreadingHTTPServer):
    """Listens on loopback; port 0 picks a free one."""

    daemon_threads = True

    def __init__(self, port: int, write_key: str, store: Store) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.write_key = write_key
        self.store = store

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: DataPlane

    def do_POST(self) -> None:
        """Accept a call, or say in plain text why not."""
        try:
            messages = accept(self._request(), self.server.write_key)
        except Refusal as refusal:
            self._answer(refusal.status, refusal.text.encode(), "text/plain; charset=utf-8")
            return
        self.server.store.keep(messages, datetime.now(UTC).isoformat())
        self._answer(200, b"OK", "text/plain; charset=utf-8")

    def do_GET(self) -> None:
        """Show what was accepted."""
        url = urlsplit(self.path)
        if url.path == "/health":
            self._json({"server": "UP"})
        elif url.path == "/stats":
            self._json(self.server.store.stats())
        elif url.path == "/messages":
            limit = parse_qs(url.query).get("limit", ["100"])[0]
            self._json(self.server.store.newest(min(int(limit), MOST_LISTED) if limit.isdecimal() else 100))
        else:
            self._answer(404, b"404 page not found", "text/plain; charset=utf-8")

    def _request(self) -> Request:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self.close_connection = True
            raise Refusal(411, "Length Required")
        if int(length) > 2 * MOST_BYTES:
            self.close_connection = True
            raise Refusal(413, "Request size exceeds max limit")
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(urlsplit(self.path).path, headers, self.rfile.read(int(length)))

    def _json(self, value: Any) -> None:  # noqa: ANN401 - whatever JSON holds
        self._answer(200, orjson.dumps(value), "application/json")

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Write no line for each request."""
