"""A collector of traces that takes all it is sent: `python -m loadtests.bed.collector --ready-file FILE`.

POST /v1/traces is answered as OTLP over HTTP wants it, by an empty message; GET /stats counts posts and their bytes. It
keeps nothing, and reads nothing of what it is sent: it is there so that a worker that traces has somebody to send to.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Final

from loadtests.apps.lifecycle import announce, end_with

PATH: Final = "/v1/traces"


class Collector(ThreadingHTTPServer):
    """Counts what it is sent."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self._lock = Lock()
        self._posts = self._bytes = 0

    def count(self, size: int) -> None:
        """Count one post."""
        with self._lock:
            self._posts += 1
            self._bytes += size

    def stats(self) -> dict[str, int]:
        """Give the posts so far, and their bytes."""
        with self._lock:
            return {"posts": self._posts, "bytes": self._bytes}


class _Handler(BaseHTTPRequestHandler):
    server: Collector
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Take spans."""
        size = int(self.headers.get("content-length", 0))
        self.rfile.read(size)
        if self.path == PATH:
            self.server.count(size)
            self._reply(200, b"", "application/x-protobuf")
        else:
            self._reply(404, f"expected {PATH}, got {self.path}".encode(), "text/plain")

    def do_GET(self) -> None:
        """Tell the counts."""
        self._reply(200, json.dumps(self.server.stats()).encode(), "application/json")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server calls
        """Say nothing of single posts."""

    def _reply(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> int:
    """Serve until told to stop, or until the parent is gone."""
    parser = argparse.ArgumentParser(description="A collector of traces that counts")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--ready-file", type=Path, help="where its URL is written, as JSON, once it serves")
    parser.add_argument("--parent-pid", type=int, help="stop when this process is gone")
    options = parser.parse_args()
    collector = Collector(options.port)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    end_with(options.parent_pid)
    announce(options.ready_file, {"url": f"http://127.0.0.1:{collector.server_port}"})
    collector.serve_forever(poll_interval=0.1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
