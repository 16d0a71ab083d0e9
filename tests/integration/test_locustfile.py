"""The locustfile as anybody would run it: `locust -f`, against a server that notes what it is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

import loadtests
from loadtests.trace import read_trace

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCUSTFILE = Path(loadtests.__file__).with_name("locustfile.py")
ANSWERS: dict[str, dict[str, Any]] = {
    "/api/v1/incidents": {"incidents": [{"id": "i-1"}]},
    "/api/v1/incidents/i-1/failures": {
        "failures": [{"id": "f-0", "state": "released"}, {"id": "f-1", "state": "held"}]
    },
}


class Handler(BaseHTTPRequestHandler):
    """Front and orchestrator in one: answers as both do, and notes what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a question."""
        self._reply(200, ANSWERS.get(self.path.partition("?")[0], {"state": "SUCCESS"}))

    def do_POST(self) -> None:
        """Take a call or a command."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, self.headers.get("idempotency-key"), body))
        self._reply(202, {"id": "t-1"}, f"/api/v1/recovery/retries/{self.headers.get('idempotency-key')}")

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


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """A server on a free port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_plain_locust_plays_web_users_and_an_operator(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    """Web users ask for the calls of the trace; the operator has a held failure tried, twice with one key."""
    url = f"http://127.0.0.1:{server.server_port}"
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--users", "4", "--run-time", "12"]
    command += ["--host", url, "--api-url", url, "--load-seed", "3", "--json-file", str(tmp_path / "told")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    calls = [(body["context_tokens"], body["generated_tokens"]) for path, _, body in server.asked if path == "/calls"]
    # The last call of each user may have been on its way when the time was up.
    trace = [(call.context_tokens, call.generated_tokens) for call in islice(read_trace(), 3, 3 + len(calls) + 4)]
    assert len(calls) > 4
    assert Counter(calls) <= Counter(trace)
    retries = [(key, body["failure_id"]) for path, key, body in server.asked if path == "/recovery/retry"]
    assert retries[::2] == retries[1::2] != []
    assert {failure for _, failure in retries} == {"f-1"}
    told = {each["name"]: each["num_failures"] for each in json.loads((tmp_path / "told.json").read_text())}
    assert told["POST /recovery/retry (again)"] == 0
