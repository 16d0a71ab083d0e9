"""Where redriven tasks arrive in a storm: takes each, and answers as a worker would, in batches.

    python -m loadtests.apps.sink --broker URL --queue NAME --spool FOLDER

It runs no task: every run succeeds at once while it is up, and fails as the storm's did while it is down. GET /health
tells which of the two holds (200 or 503), POST /control {"up": bool} switches, GET /stats counts.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from kombu import Connection, Consumer, Queue

import eventbus.transport  # noqa: F401 - registers the server-less bus
from eventbus.publisher import Publisher
from eventbus.wire import ATTEMPT_HEADER
from loadtests.apps.failures import Called, failed, succeeded
from loadtests.apps.lifecycle import announce, end_with

PREFETCH: Final = 500
WAIT_SECONDS: Final = 0.2


@dataclass(slots=True)
class Sink:
    """What arrived. `answered` maps a second (unix time) to how many runs had succeeded by its end."""

    publisher: Publisher
    queue: str
    up: bool = False
    received: int = 0
    refused: int = 0
    duplicates: int = 0
    first_received: float | None = None
    first_success: float | None = None
    last_success: float | None = None
    done: set[str] = field(default_factory=set)
    by_second: dict[int, int] = field(default_factory=dict)

    def take(self, _body: object, message: Any) -> None:  # noqa: ANN401 - kombu's message class depends on the transport
        """Take one message, acknowledge it, answer."""
        now, headers = time.time(), message.headers
        self.received += 1
        self.first_received = self.first_received or now
        task, task_id = str(headers["task"]), str(headers["id"])
        attempt = str(headers[ATTEMPT_HEADER])
        if self.up:
            self._succeed(task_id, now)
            self.publisher.publish(succeeded(task, task_id, attempt))
        else:
            self.refused += 1
            self.publisher.publish(failed(Called(task, task_id, self.queue), attempt))
        message.ack()

    def _succeed(self, task_id: str, now: float) -> None:
        self.duplicates += task_id in self.done
        self.done.add(task_id)
        self.first_success, self.last_success = self.first_success or now, now
        self.by_second[int(now)] = len(self.done)

    def stats(self) -> dict[str, Any]:
        """Count."""
        names = ("up", "received", "refused", "duplicates", "first_received", "first_success", "last_success")
        told = {name: getattr(self, name) for name in names}
        return told | {"succeeded": len(self.done), "by_second": dict(self.by_second)}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    sink: Sink

    def do_GET(self) -> None:
        """Tell how it is, or the counts."""
        if self.path == "/health":
            self._reply(200 if self.sink.up else 503, {"up": self.sink.up})
        else:
            self._reply(200, self.sink.stats())

    def do_POST(self) -> None:
        """Switch it."""
        self.sink.up = bool(json.loads(self.rfile.read(int(self.headers["content-length"])))["up"])
        self._reply(200, {"up": self.sink.up})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server calls
        """Say nothing."""

    def _reply(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> int:
    """Serve until stopped."""
    options = _options()
    end_with(options.parent_pid)
    sink = Sink(Publisher(options.bus or options.broker, options.spool), options.queue)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"sink": sink}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with Connection(options.broker) as connection:
        queue = Queue(options.queue, durable=True, exchange="", routing_key=options.queue)
        consumer = Consumer(connection.channel(), [queue], prefetch_count=PREFETCH, callbacks=[sink.take])
        with consumer:
            announce(options.ready_file, {"url": f"http://127.0.0.1:{server.server_port}"})
            while True:
                _drain(connection)


def _drain(connection: Connection) -> None:
    try:
        connection.drain_events(timeout=WAIT_SECONDS)
    except TimeoutError:
        return


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Where redriven tasks arrive in a storm")
    parser.add_argument("--broker", required=True)
    parser.add_argument("--bus", help="where outcomes go; the broker when left out")
    parser.add_argument("--queue", required=True)
    parser.add_argument("--spool", type=Path, required=True)
    parser.add_argument("--ready-file", type=Path)
    parser.add_argument("--parent-pid", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
