"""The API that the verbs speak to, as the tests of the API serve it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.orchestrator.api.conftest import api, desk, server  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from collections.abc import Iterator


def flat(text: str) -> str:
    """Give what a command said without the ends of its lines, which are where the terminal's width has them."""
    return " ".join(text.split())


@dataclass
class Answering:
    """A real server that answers as the contract of the API says: what a test put there, by method and path."""

    url: str = ""
    answers: dict[tuple[str, str], list[tuple[int, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def say(self, method: str, path: str, *contents: object, status: int = 200) -> None:
        """Answer with these, one after another, the last one again and again."""
        self.answers[method, path] = [(status, each) for each in contents]

    def answer(self, method: str, path: str, body: object) -> tuple[int, Any]:
        """Take what comes next for this; what is not known is a problem."""
        self.asked.append((method, path, body))
        waiting = self.answers.get((method, path.partition("?")[0]))
        if waiting is None:
            return 404, {"detail": f"expected a path that is known, got {path}", "what_next": "redrive incidents list"}
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def bodies(self, path: str) -> list[Any]:
        """List what was sent there."""
        return [body for _, asked, body in self.asked if asked.partition("?")[0] == path and body is not None]


@pytest.fixture
def fake() -> Iterator[Answering]:
    """A server of the contract, on a free port of loopback."""
    made = Answering()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, content = made.answer(self.command, self.path, json.loads(sent) if sent else None)
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_PUT = answer  # noqa: N815 - the names are those of http.server

        def log_message(self, *_: Any) -> None:
            """Say nothing on stderr."""

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    made.url = f"http://127.0.0.1:{served.server_port}"
    yield made
    served.shutdown()
    served.server_close()
    thread.join(10)
