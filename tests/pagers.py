"""Servers that people's pagers are, for tests, written from their public specifications.

PagerDuty's Events API v2 (developer.pagerduty.com), Slack's incoming webhooks (docs.slack.dev), and a mail server.
"""

from __future__ import annotations

import socket
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson
from aiosmtpd.controller import Controller
from apprise.plugins.slack import NotifySlack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage

    import pytest
    from aiosmtpd.smtp import Envelope

ROUTING_KEY = "R0UT1NGKEYR0UT1NGKEYR0UT1NGKEY32"
WEBHOOK = ("T1JJ3T3L2", "A1BRTD4JD", "TIiajkdnlazkcOXrIdevi7FQ")
SLACK_URL = f"slack://{'/'.join(WEBHOOK)}/#ops?footer=no"
SEVERITIES = {"critical", "error", "warning", "info"}


class Server(ThreadingHTTPServer):
    """Answers posts, unless it is told to be down: `status` answers all alike, `hung` answers none until let go."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status: int | None = None
        self.retry_after: str | None = None
        self.hung = False
        self.let_go = Event()
        self.posts: list[dict[str, Any]] = []

    @property
    def place(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, path: str, kind: str, body: bytes) -> tuple[int, str]:
        """Give the status and the body of the answer to one post."""
        raise NotImplementedError


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        """Answer a post."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.server.hung:
            self.server.let_go.wait(30)
            return
        if self.server.status is not None:
            status, text = self.server.status, "down"
        else:
            status, text = self.server.answer(self.path, self.headers.get("Content-Type", ""), body)
        self.send_response(status)
        if self.server.retry_after is not None:
            self.send_header("Retry-After", self.server.retry_after)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Write no line for each request."""


@dataclass
class Paged:
    """An incident of PagerDuty: what its key was triggered with, and how it stands."""

    status: str
    log: list[dict[str, Any]] = field(default_factory=list)


class PagerDuty(Server):
    """One incident for each key that is open; `pages` is how often somebody was woken."""

    def __init__(self) -> None:
        super().__init__()
        self.incidents: dict[str, Paged] = {}
        self.pages = 0

    @property
    def url(self) -> str:
        """Where events go."""
        return f"{self.place}/v2/enqueue"

    def answer(self, path: str, kind: str, body: bytes) -> tuple[int, str]:
        """Check an event as the API does: 202 with its key, or 400 with what is wrong of it."""
        if path != "/v2/enqueue" or not kind.startswith("application/json"):
            return 404, ""
        event = orjson.loads(body)
        wrong = list(_wrong(event))
        if wrong:
            said = {"status": "invalid event", "message": "Event object is invalid", "errors": wrong}
            return 400, orjson.dumps(said).decode()
        self.posts.append(event)
        self._take(event)
        said = {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}
        return 202, orjson.dumps(said).decode()

    def _take(self, event: dict[str, Any]) -> None:
        known = self.incidents.get(event["dedup_key"])
        action = event["event_action"]
        if action == "trigger":
            if known is None or known.status == "resolved":
                self.incidents[event["dedup_key"]] = known = Paged("triggered")
                self.pages += 1
            known.log.append(event)
        elif known is not None and known.status != "resolved":
            known.status = "acknowledged" if action == "acknowledge" else "resolved"


def _wrong(event: dict[str, Any]) -> Iterator[str]:
    key, payload = event.get("dedup_key"), event.get("payload")
    if event.get("routing_key") != ROUTING_KEY or len(ROUTING_KEY) != 32:
        yield "'routing_key' is invalid"
    if event.get("event_action") not in {"trigger", "acknowledge", "resolve"}:
        yield "'event_action' is invalid"
    if not isinstance(key, str) or not 1 <= len(key) <= 255:
        yield "'dedup_key' is invalid"
    if event.get("event_action") != "trigger":
        return
    if not isinstance(payload, dict):
        yield "'payload' is missing or blank"
        return
    if not isinstance(payload.get("summary"), str) or not 1 <= len(payload["summary"]) <= 1024:
        yield "'payload.summary' is missing or too long"
    if not isinstance(payload.get("source"), str) or not payload["source"]:
        yield "'payload.source' is missing or blank"
    if payload.get("severity") not in SEVERITIES:
        yield "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')"
    if not isinstance(payload.get("custom_details", {}), dict):
        yield "'payload.custom_details' is invalid"


class Slack(Server):
    """An incoming webhook: it takes text or attachments as JSON or as a form, and says ok."""

    def answer(self, path: str, kind: str, body: bytes) -> tuple[int, str]:
        """Check a message."""
        if path != f"/services/{'/'.join(WEBHOOK)}":
            return 404, "no_service"
        try:
            text = parse_qs(body.decode())["payload"][0] if "form" in kind else body.decode()
            message = orjson.loads(text)
        except (KeyError, ValueError):
            return 400, "invalid_payload"
        if not any(message.get(name) for name in ("text", "attachments", "blocks")):
            return 400, "no_text"
        self.posts.append(message)
        return 200, "ok"

    def texts(self) -> list[str]:
        """Give all that was said, each message as one text."""
        return [
            " ".join([each.get("title", "") + " " + each.get("text", "") for each in message.get("attachments", ())])
            for message in self.posts
        ]


@contextmanager
def _running(server: Server) -> Iterator[None]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.let_go.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def pagerduty() -> Iterator[PagerDuty]:
    """Run PagerDuty."""
    server = PagerDuty()
    with _running(server):
        yield server


@contextmanager
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slack]:
    """Run Slack, and have apprise find it where it looks for the real one."""
    server = Slack()
    monkeypatch.setattr(NotifySlack, "webhook_url", f"{server.place}/services")
    with _running(server):
        yield server


class Webhook(Server):
    """A chat that takes any JSON."""

    def answer(self, path: str, kind: str, body: bytes) -> tuple[int, str]:
        """Keep it."""
        self.posts.append(orjson.loads(body) | {"path": path, "kind": kind})
        return 200, "ok"


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Run a chat."""
    server = Webhook()
    with _running(server):
        yield server


class Mail:
    """A mailbox: it keeps every message that a mail server took."""

    def __init__(self, port: int) -> None:
        self.url = f"mailto://127.0.0.1:{port}?from=redrive@example.com&to=ann@example.com"
        self.got: list[EmailMessage] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a message."""
        self.got.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


@contextmanager
def mail() -> Iterator[Mail]:
    """Run a mail server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    box = Mail(port)
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


def dead_port() -> int:
    """Give a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
