"""What Locust loads in tests: front and orchestrator in one, which notes what it is asked; and Locust as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, TypeVar

import loadtests
from loadtests.stamps import answered_of, line, read_lines
from loadtests.users.front_clock import BOOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadtests.evidence import Answered

LOCUSTFILE = Path(loadtests.__file__).with_name("locustfile.py")
PATIENCE = 40
T = TypeVar("T")
LONG_AGO = "2026-01-01T00:00:00+00:00"
ANSWERS: dict[str, dict[str, Any]] = {
    "/api/v1/incidents": {"incidents": [{"id": "i-1"}]},
    "/api/v1/incidents/i-1/failures": {
        "failures": [
            {"id": "f-0", "state": "released"},
            {"id": "f-2", "state": "held", "kind": "permanent", "occurred_at": LONG_AGO},
            {"id": "f-4", "state": "held", "kind": "dependency_down", "occurred_at": "2999-01-01T00:00:00+00:00"},
            {"id": "f-1", "state": "held", "kind": "dependency_down", "occurred_at": LONG_AGO},
        ]
    },
}


class Peer(ThreadingHTTPServer):
    """Notes (path, idempotency key, body) of each POST; whoever holds `stall` keeps all calls waiting."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None, Any]] = []
        self.stall = Lock()
        self.stamps: Path | None = None
        self.ahead = 0.0
        self.boot = BOOT.read_text().strip()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The calls so far."""
        return [body for path, _, body in list(self.asked) if path == "/calls"]

    def end(self, call: str) -> None:
        """Write down the end of a call, as a worker does: every fourth fails at first and is redriven."""
        if self.stamps is None:
            return
        # By its own place: others may have come since.
        place = [each["id"] for each in self.calls].index(call) + 1
        with self.stamps.open("a") as file:
            if place % 4 == 0:
                file.write(line("ended", call, "-", 0.0, time.monotonic(), "FAILURE", 0.0))
                file.write(line("ended", call, "a-1", 0.0, time.monotonic(), "SUCCESS", 0.0))
            else:
                file.write(line("ended", call, "-", 0.0, time.monotonic(), "SUCCESS", 0.0))


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Peer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a question."""
        if self.path == "/clock":
            self._reply(200, {"monotonic": time.monotonic() + self.server.ahead, "boot": self.server.boot})
            return
        self._reply(200, ANSWERS.get(self.path.partition("?")[0], {"state": "SUCCESS"}))

    def do_POST(self) -> None:
        """Take a call, a command or a batch."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, self.headers.get("idempotency-key"), body))
        if self.path == "/calls":
            with self.server.stall:
                self.server.end(body["id"])
        well = 200 if self.path == "/v1/batch" or (isinstance(body, dict) and body.get("dry_run")) else 202
        self._reply(well, {}, f"/api/v1/recovery/retries/{self.headers.get('idempotency-key')}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server calls
        """Say nothing."""

    def _reply(self, status: int, content: dict[str, Any], location: str = "") -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("location", location)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving() -> Iterator[Peer]:
    """Serve on a free port."""
    peer = Peer()
    Thread(target=peer.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield peer
    finally:
        peer.shutdown()
        peer.server_close()


class Locust:
    """One Locust with its files in a folder."""

    def __init__(self, folder: Path, name: str, *options: str) -> None:
        self.answers, self.told, self._log = folder / "answers", folder / f"{name}.json", folder / f"{name}.log"
        command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--stop-timeout", "10", *options]
        command += ["--answers", str(self.answers), "--json-file", str(self.told.with_suffix(""))]
        command += ["--parent-pid", str(os.getpid())]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return self._log.read_text(errors="replace")

    def wait_for(self, look: Callable[[], T | None]) -> T:
        """Give what `look` gives once it is not None."""
        deadline = time.monotonic() + PATIENCE
        while (found := look()) is None:
            assert time.monotonic() < deadline, self.log
            assert self.process.poll() is None, self.log
            time.sleep(0.05)
        return found

    def stop(self) -> int:
        """End it as the load test does; gives its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def answered(self, name: str = "POST /calls") -> list[Answered]:
        """Give the requests of a name, so far."""
        return [each for each in answered_of(read_lines(self.answers)) if each.name == name]

    def counted(self) -> dict[str, tuple[int, int]]:
        """Give what Locust itself counted at its end, by name: requests and failures."""
        told = json.loads(self.told.read_text())
        return {each["name"]: (each["num_requests"], each["num_failures"]) for each in told}


@contextmanager
def locust(folder: Path, *options: str, name: str = "locust") -> Iterator[Locust]:
    """Run Locust until the block ends."""
    process = Locust(folder, name, *options)
    try:
        yield process
    finally:
        process.kill()
