"""A service of load tests for the tests of this pack that run on the embedded StackStorm: it answers as a test says."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

TOKEN = "t0p-s3cret"  # noqa: S105 the secret of a test
GOING = {"id": "run-1", "state": "running", "verdict": None, "timeout_seconds": 60, "seconds": 1}
PASSED = dict(
    GOING, state="ended", verdict="passed", why="", gates=[], links={"report.html": "/runs/run-1/report.html"}
)
INCIDENT = {"failure_id": "f-1", "incident_id": "inc-1", "revision": 2, "plan": "escalate", "new": True}


class LoadTests(HTTPServer):
    """Answers (method, end of the path) with what `says` has for it: a status and a body, or a list of them in turn."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.forget()

    def forget(self):
        """Begin anew: a night that passes, nothing missed, nothing slower."""
        self.calls = []
        self.tokens = set()
        self.says = {
            ("GET", "/runs/missed"): (200, {"missed": [], "no_pass": []}),
            ("POST", "/runs"): (202, GOING),
            ("GET", "/runs/run-1"): [(200, GOING), (200, PASSED)],
            ("DELETE", "/runs/run-1"): (200, PASSED),
            ("GET", "/runs/run-1/comparison"): (200, {"slower": [], "compared_with": ["a", "b"]}),
            ("POST", "/runs/run-1/tell"): (200, {"event_id": "e-1", "accepted": True}),
        }

    def ends(self, **run):
        """Have the run end so."""
        self.says["GET", "/runs/run-1"] = [(200, GOING), (200, dict(PASSED, **run))]

    def asked(self, method, path):
        """Give the bodies of such calls, oldest first."""
        return [body for said, where, body in self.calls if (said, where) == (method, path)]


class Handler(BaseHTTPRequestHandler):
    """Speaks for the service."""

    def do_GET(self):
        """Answer as the test says; what it does not speak of is not found."""
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        path = self.path.partition("?")[0]
        self.server.calls.append((self.command, path, body))
        self.server.tokens.add(self.headers.get("Authorization"))
        told = self.server.says.get((self.command, path), (404, {"title": "Not Found", "detail": path}))
        if isinstance(told, list):
            told = told.pop(0) if len(told) > 1 else told[0]
        raw = json.dumps(told[1]).encode()
        self.send_response(told[0])
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_POST = do_DELETE = do_GET  # noqa: N815 - the names are http.server's

    def log_message(self, *_):
        """Say nothing."""


class Redrive:
    """Stands for the actions of the pack redrive; each has the calls it got."""

    def __init__(self, stackstorm):
        self.report = stackstorm.stub("redrive.report_failure", {"result": INCIDENT, "exit_code": 0})
        self.discard = stackstorm.stub("redrive.discard_failures", {"result": {"status": 200}, "exit_code": 0})
        self.instruct = stackstorm.stub(
            "redrive.instruct", {"result": {"state": "waiting", "superseded": False}, "exit_code": 0}
        )


@pytest.fixture
def redrive(stackstorm):
    """The pack redrive, doing nothing; a report has an incident that a rule has escalated."""
    return Redrive(stackstorm)


@pytest.fixture
def service(stackstorm):
    """A service that the pack is configured to call."""
    with LoadTests() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        stackstorm.config("redrive_performance", {"service_url": url, "service_token": TOKEN, "timeout_seconds": 5})
        yield server
        server.shutdown()
        thread.join()
