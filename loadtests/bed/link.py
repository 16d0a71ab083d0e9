"""One link of a run as a process: the proxy, and a door to turn its weather by.

    python -m loadtests.bed.link --target 127.0.0.1:5672 --port 12345 --ready-file FILE --parent-pid PID

The ready file has the door's URL (`control`). POST to it {"weather": "latency", "amount": 0.2} changes the weather.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from loadtests.apps.lifecycle import announce, end_with
from loadtests.proxy import Proxy, Weather


class Door(ThreadingHTTPServer):
    """Where the weather is turned."""

    daemon_threads = True

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy


class _Handler(BaseHTTPRequestHandler):
    server: Door

    def do_POST(self) -> None:
        """Turn the weather."""
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
        try:
            self.server.proxy.turn(Weather(body["weather"]), float(body.get("amount") or 0))
            status, said = 200, "{}"
        except (KeyError, ValueError, OSError) as error:
            status, said = 400, json.dumps({"error": f"expected a weather of {', '.join(Weather)}, got: {error}"})
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server calls
        """Say nothing of single requests."""


def main() -> int:
    """Pass bytes on until told to stop, or until the parent is gone."""
    options = _options()
    host, _, port = options.target.rpartition(":")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    end_with(options.parent_pid)
    with Proxy(host, int(port), listen=options.port) as proxy:
        door = Door(proxy)
        announce(options.ready_file, {"port": proxy.port, "control": f"http://127.0.0.1:{door.server_port}/"})
        door.serve_forever(poll_interval=0.1)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A link whose weather can be turned")
    parser.add_argument("--target", required=True, help="HOST:PORT of what is behind it")
    parser.add_argument("--port", type=int, default=0, help="where it listens; 0: any free one")
    parser.add_argument("--ready-file", type=Path, help="where port and control are written, as JSON")
    parser.add_argument("--parent-pid", type=int, help="stop when this process is gone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
