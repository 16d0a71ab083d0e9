"""A collector for tests: takes spans over OTLP/HTTP, parsed with OpenTelemetry's own protobuf classes."""

from __future__ import annotations

import gzip
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

CODES = ("unset", "ok", "error")


@dataclass(frozen=True, slots=True)
class SeenSpan:
    """One span as it arrived; `links` are (trace id, span id), `resource` what it says of its service."""

    name: str
    trace_id: str
    span_id: str
    parent: str
    links: tuple[tuple[str, str], ...]
    attributes: dict[str, str]
    resource: dict[str, str]
    status: str
    start: int
    end: int


class Collector(ThreadingHTTPServer):
    """Keeps what it is sent; answers with `status` and `headers`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.headers: dict[str, str] = {}
        self.posts: list[list[SeenSpan]] = []
        self.accepted: list[list[SeenSpan]] = []
        self.says = b""
        self.resources: list[int] = []
        self.asked: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def taken(self) -> list[SeenSpan]:
        """Every span of the posts that it took."""
        return [span for post in self.accepted for span in post]

    @property
    def spans(self) -> list[SeenSpan]:
        """Every span that came, those of refused posts too."""
        return [span for post in self.posts for span in post]

    def named(self, name: str) -> list[SeenSpan]:
        """The spans of this name."""
        return [span for span in self.spans if span.name == name]


@contextmanager
def collector() -> Iterator[Collector]:
    """Run a collector in a thread."""
    server = Collector()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        """Take one post in."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.asked.append({"path": self.path, **{name.lower(): text for name, text in self.headers.items()}})
        request = ExportTraceServiceRequest.FromString(body)
        self.server.resources.append(len(request.resource_spans))
        self.server.posts.append(list(_spans(request)))
        if self.server.status == 200:
            self.server.accepted.append(self.server.posts[-1])
        self.send_response(self.server.status)
        for name, text in self.server.headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(self.server.says)))
        self.end_headers()
        self.wfile.write(self.server.says)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _spans(request: ExportTraceServiceRequest) -> Iterator[SeenSpan]:
    for of_resource in request.resource_spans:
        resource = {each.key: each.value.string_value for each in of_resource.resource.attributes}
        for span in (span for scope in of_resource.scope_spans for span in scope.spans):
            yield SeenSpan(
                name=span.name,
                trace_id=span.trace_id.hex(),
                span_id=span.span_id.hex(),
                parent=span.parent_span_id.hex(),
                links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                attributes={each.key: _text(each.value) for each in span.attributes},
                resource=resource,
                status=CODES[span.status.code],
                start=span.start_time_unix_nano,
                end=span.end_time_unix_nano,
            )


def _text(value: object) -> str:
    return str(getattr(value, value.WhichOneof("value") or "string_value"))  # type: ignore[attr-defined]  # protobuf
