"""A small orchestrator for the pack: answers the two calls that the actions make, as it is told to."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 30


@dataclass
class FakeOrchestrator:
    """What it answers (status, body), call by call, the last one for ever; and what it was asked.

    A proposal is answered once `open` is set, with its Idempotency-Key noted before.
    """

    url: str = ""
    plans: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    answers: list[tuple[int, Any]] = field(
        default_factory=lambda: [(202, {"incident_id": "i", "revision": 2, "state": "planned"})]
    )
    releases: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: list[str | None] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)

    def next_answer(self) -> tuple[int, Any]:
        """Take the next answer; the last one stays."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def fake_orchestrator() -> Iterator[FakeOrchestrator]:
    """Serve a fake orchestrator on a free port."""
    fake = FakeOrchestrator()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fake.plans.append(json.loads(body))
            if "approval" in fake.plans[-1]:
                fake.keys.append(self.headers.get("Idempotency-Key"))
                fake.open.wait(SECONDS)
            self._answer(*fake.next_answer())

        def do_GET(self) -> None:
            release = fake.releases.get(self.path.rsplit("/", 1)[-1])
            self._answer(*((200, release) if release else (404, {"title": "Not found", "detail": "no such release"})))

        def _answer(self, status: int, body: object) -> None:
            fake.paths.append(self.path)
            fake.authorizations.append(self.headers.get("Authorization"))
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            with suppress(OSError):  # whoever asked may be gone
                self.end_headers()
                self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
