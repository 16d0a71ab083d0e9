"""The provider of `bench first-retry`: dependencies in trouble by the clock of a plan; every request is logged.

    python -m loadtests.apps.faulty_provider --plan FILE --log FILE

POST /call/DEPENDENCY {"number", "run"} answers 200, or as the trouble of that moment says; GET /health/DEPENDENCY tells
the truth about it, 20 % errors included; POST /begin {"zero"} sets the unix time at which the plan begins. A line of
the log: unix time, call (- for a probe), dependency, run, status, trouble (- for none).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any, Final

from loadtests.apps.lifecycle import announce, end_with
from loadtests.first_retry.plan import Kind, Plan, read

OK, MALFORMED, CONFLICT, LIMITED, AWAY = 200, 400, 409, 429, 503
PROBE: Final = "-"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the trouble that held, and the seconds of a Retry-After."""

    status: int
    trouble: Kind | None = None
    retry_after: float | None = None


@dataclass(slots=True)
class Clockwork:
    """Decides on each request by the plan's clock. Locks of rows begin when they are met first."""

    plan: Plan
    dice: Random
    zero: float = math.inf
    _locked_until: dict[int, float] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def call(self, number: int, at: float) -> Answer:
        """Decide on a call: what is wrong with the request is seen first, even by a provider in trouble."""
        call = self.plan.calls[number]
        with self._turn:
            if call.kind is Kind.PERMANENT:
                return Answer(MALFORMED, Kind.PERMANENT)
            if call.kind is Kind.DEADLOCK and at < self._locked_until.setdefault(number, at + max(call.lock, 1e-6)):
                return Answer(CONFLICT, Kind.DEADLOCK)
            return self.look(call.dependency, at)

    def look(self, dependency: str, at: float) -> Answer:
        """Tell how a dependency is at a moment of the plan."""
        window = self.plan.window(dependency, at)
        if window is None:
            return Answer(OK)
        if window.kind is Kind.RATE_LIMITED:
            return Answer(LIMITED, window.kind, window.ends - at)
        return Answer(AWAY if self.dice.random() < window.error_rate else OK, window.kind)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    clockwork: Clockwork
    log: int
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer a probe."""
        now, dependency = time.time(), self.path.rpartition("/")[2]
        answer = self.clockwork.look(dependency, now - self.clockwork.zero)
        self._note(now, PROBE, dependency, PROBE, answer)
        self._reply(answer)

    def do_POST(self) -> None:
        """Answer a call, or begin."""
        now, body = time.time(), json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/begin":
            self.clockwork.zero = float(body["zero"])
            self._reply(Answer(OK))
            return
        answer = self.clockwork.call(int(body["number"]), now - self.clockwork.zero)
        self._note(now, str(body["number"]), self.path.rpartition("/")[2], str(body["run"]), answer)
        self._reply(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server calls
        """Say nothing on stderr: the log has a line for each request."""

    def _note(self, now: float, number: str, dependency: str, run: str, answer: Answer) -> None:
        line = f"{now:.6f} {number} {dependency} {run} {answer.status} {answer.trouble or '-'}\n"
        os.write(self.log, line.encode())

    def _reply(self, answer: Answer) -> None:
        body = json.dumps({"trouble": answer.trouble}).encode()
        try:
            self.send_response(answer.status)
            if answer.retry_after is not None:
                self.send_header("Retry-After", str(math.ceil(answer.retry_after)))
                # A run is faster than the world: whole seconds of its clock are minutes.
                self.send_header("retry-after-ms", str(math.ceil(answer.retry_after * 1000)))
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True


class Server(ThreadingHTTPServer):
    """Every connection has a thread."""

    daemon_threads = True
    request_queue_size = 128


def main() -> int:
    """Serve until stopped."""
    options = _options()
    end_with(options.parent_pid)
    plan = read(options.plan.read_text())
    log = os.open(options.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    given: dict[str, Any] = {"clockwork": Clockwork(plan, Random(plan.seed)), "log": log}
    server = Server(("127.0.0.1", 0), type("Bound", (Handler,), given))
    announce(options.ready_file, {"url": f"http://127.0.0.1:{server.server_port}"})
    server.serve_forever(poll_interval=0.5)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Dependencies in trouble by the clock of a plan")
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--ready-file", type=Path)
    parser.add_argument("--parent-pid", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
