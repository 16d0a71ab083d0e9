"""A receiver of CloudEvents over HTTP for tests: reads both JSON modes, and answers as it is told."""

from __future__ import annotations

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

import orjson
from cloudevents.core.v1.event import CloudEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Events = list[dict[str, Any]]
BATCH = "application/cloudevents-batch+json"
SINGLE = "application/cloudevents+json"


class Receiver(ThreadingHTTPServer):
    """Keeps what it takes; `reply` gives the status of each post."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply: Callable[[Events], int] = lambda _: 204
        self.headers: dict[str, str] = {}
        self.taken: Events = []
        self.asked: list[dict[str, str]] = []
        self.posts: list[Events] = []
        self.turn = Lock()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}/in"


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run a receiver in a thread."""
    server = Receiver()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        """Take a post in, whole or not at all."""
        body = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kind = self.headers["Content-Type"].partition(";")[0]
        events = body if kind == BATCH else [body]
        with self.server.turn:
            self.server.asked.append({name.lower(): text for name, text in self.headers.items()})
            self.server.posts.append(events)
            status = self.server.reply(events)
            if status < 300:
                self.server.taken += [_checked(each) for each in events]
        self.send_response(status)
        for name, text in self.server.headers.items():
            self.send_header(name, text)
        if status != 204:
            self.send_header("Content-Length", "2")
        self.end_headers()
        if status != 204:
            self.wfile.write(b"so")

    def log_message(self, *_: object) -> None:
        """Write no line for each request."""


def _checked(event: dict[str, Any]) -> dict[str, Any]:
    """Hold an event against the CloudEvents project's own class."""
    attributes = {name: each for name, each in event.items() if name not in {"data", "time"}}
    CloudEvent(attributes, event["data"])
    return event
