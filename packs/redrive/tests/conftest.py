"""An orchestrator for the tests of this pack that run on the embedded StackStorm: it answers as a test says."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from orchestrator.stackstorm.testing import StackStorm

TOKEN = "t0p-s3cret"  # noqa: S105 the secret of a test


class Orchestrator(HTTPServer):
    """Answers plans with `answer`, a status and a body, releases with what is in `releases`, and the rest with `says`.

    `says` maps the end of a path to a status and a body; `calls` lists (method, path, body, headers) of what was asked.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.forget()

    def forget(self):
        """Begin anew: the next test knows nothing of this one."""
        self.answer = (202, {"incident_id": "inc-1", "revision": 4, "state": "planned"})
        self.releases = {}
        self.says = {}
        self.plans = []
        self.asked = []
        self.calls = []

    def said(self, end):
        """Give the bodies of the calls whose path ends so, oldest first."""
        return [body for _, path, body, _ in self.calls if path.endswith(end)]


class Handler(BaseHTTPRequestHandler):
    """Speaks for the orchestrator."""

    def do_POST(self):
        """Take a plan, or another command."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.calls.append((self.command, self.path, body, self.headers))
        told = self.told(body)
        if told is None:
            self.server.plans.append(body)
            told = self.server.answer
        self.say(*told)

    do_PATCH = do_PUT = do_POST  # noqa: N815 - the names are http.server's

    def do_GET(self):
        """Show a release, or something else."""
        self.server.calls.append((self.command, self.path, None, self.headers))
        found = self.server.releases.get(self.path.rsplit("/", 1)[-1])
        missing = (404, {"title": "Not found", "detail": "no such release"})
        self.say(*((200, found) if found else self.told(None) or missing))

    def told(self, body):
        """Give what the test says to this path, if anything."""
        for end, answer in self.server.says.items():
            if self.path.endswith(end):
                return answer(body) if callable(answer) else answer
        return None

    def say(self, status, body):
        """Answer with JSON."""
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="session")
def listening(stackstorm_server, pytestconfig):
    """One orchestrator for all tests: to configure the pack again for each of them takes longer than most tests."""
    session = StackStorm(stackstorm_server, float(pytestconfig.getini("stackstorm_patience")))
    with Orchestrator() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        session.config("redrive", {"orchestrator_url": url, "api_token": TOKEN, "timeout_seconds": 5})
        yield server
        session.reset()
        server.shutdown()
        thread.join()


@pytest.fixture
def orchestrator(listening):
    """An orchestrator that the pack is configured to call, and that nobody has called yet."""
    listening.forget()
    return listening
