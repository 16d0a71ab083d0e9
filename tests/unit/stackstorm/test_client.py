"""The client against peers that misbehave: every call ends in time, and says what is wrong without a secret."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.domain.errors import DependencyUnreachable, NotFound
from orchestrator.stackstorm.client import StackStorm
from orchestrator.stackstorm.matching import would_match
from tests.stackstorm_server import embedded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "an-api-key"


@contextmanager
def peer(status: int, body: bytes) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that answers everything alike; gives its URL and the headers that it was sent."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({**dict(self.headers), ":path": self.path})
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 http.server looks the methods up by these names

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_peer_that_hangs_is_given_up() -> None:
    """A connection that is accepted and never answered ends with the time-out, not never."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = StackStorm(f"http://127.0.0.1:{silent.getsockname()[1]}", None, 0.2)
        with pytest.raises(DependencyUnreachable, match="ReadTimeout"):
            client.firings("t")


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, b'{"faultstring": "Unauthorized"}', "401 Unauthorized: Unauthorized"),
        (500, b'{"faultstring": "Internal Server Error"}', "500 Internal Server Error"),
        (400, b'{"faultstring": "no such trigger"}', "400 Bad Request: no such trigger"),
        (503, b"<html>", "503 Service Unavailable"),
        (200, b"<html>", "JSONDecodeError"),
    ],
)
def test_an_answer_that_is_none_is_an_unreachable_stackstorm(status: int, body: bytes, expected: str) -> None:
    """The error names the status and StackStorm's own words; the API key stays out of it and of the environment."""
    with peer(status, body) as (url, seen):
        client = StackStorm(url, KEY, 5.0)
        with pytest.raises(DependencyUnreachable, match=r".+") as caught:
            client.dispatch("redrive.incident_opened", {}, "trace")
    assert expected in str(caught.value)
    assert KEY not in str(caught.value)
    assert KEY not in os.environ.values()
    assert seen[0]["St2-Api-Key"] == KEY
    assert (seen[0]["St2-Trace-Tag"], seen[0][":path"]) == ("trace", "/v1/webhooks/st2")


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_the_url_may_name_the_version_or_not(suffix: str) -> None:
    """Both forms reach /v1."""
    with peer(404, b"{}") as (url, seen), pytest.raises(NotFound):
        StackStorm(url + suffix, None, 5.0).execution("6b0000000000000000000000")
    assert seen[0][":path"] == "/v1/executions/6b0000000000000000000000"


def test_tls_is_verified() -> None:
    """st2client itself would not: every manager's client is told to verify, or by which certificate authority."""
    client = StackStorm("https://stackstorm.example", None, 1.0)
    assert all(manager.client._plain.cacert is True for manager in client._client.managers.values())


def test_a_rule_that_cannot_be_read_here_counts_as_matching() -> None:
    """A disabled rule with criteria of another kind is named rather than missed."""
    assert would_match({"trigger.x": {"type": "eq", "pattern": "{{ st2kv.system.y }}"}}, {"x": 1})
    assert not would_match({"trigger.x": {"type": "lt", "pattern": 3}}, {"x": "text"})


def test_the_embedded_one_can_ask_for_a_key(tmp_path: Path) -> None:
    """With an API key file, a call without the key is refused and one with it is served."""
    key_file = tmp_path / "key"
    key_file.write_text(KEY)
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "pack.yaml").write_text("{name: p, description: d, version: 0.1.0, author: a}")
    with embedded(tmp_path, tmp_path / "pack", options=("--api-key-file", str(key_file))) as url:
        with pytest.raises(DependencyUnreachable, match="401 Unauthorized: Unauthorized - One of Token or API key"):
            StackStorm(url, None, 5.0).firings("t")
        with pytest.raises(DependencyUnreachable, match="401"):
            StackStorm(url, "another", 5.0).firings("t")
        assert StackStorm(url, KEY, 5.0).firings("t") == []
