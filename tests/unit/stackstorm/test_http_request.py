"""The runner http-request, against a server on this machine."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.stackstorm.embedded.content.loader import load
from orchestrator.stackstorm.embedded.runners.running import Runners
from tests.unit.stackstorm.acting import Acting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.stackstorm.embedded.runners.ended import Ended


class Echo(BaseHTTPRequestHandler):
    """Answers what it was asked, as the path wants it."""

    slow = threading.Event()
    arrived = threading.Event()

    def do_GET(self) -> None:
        """Answer."""
        size = int(self.headers.get("Content-Length") or 0)
        asked = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": self.rfile.read(size).decode(),
        }
        if self.path == "/slow":
            self.arrived.set()
            self.slow.wait(20)
        status = int(self.path[1:]) if self.path[1:].isdigit() else 200
        body = b"{not json" if self.path == "/broken" else json.dumps(asked).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if self.path == "/text" else "application/json; charset=utf-8")
        self.send_header("Location", "/text")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_GET  # noqa: N815 http.server looks the methods up by these names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 http.server names it so
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """One that says nothing of clients that have gone."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where the server is."""
    server = Server(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    Echo.slow.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def acting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acting]:
    """Where actions run."""
    runners = Runners("http://127.0.0.1:9/v1")
    yield Acting(runners, tmp_path_factory.mktemp("pack"))
    runners.close()


@pytest.fixture
def run(acting: Acting) -> Callable[..., Ended]:
    """Run core.http."""
    action = load([], Path("/nowhere")).actions["core.http"]
    return lambda url, **given: acting.run(action, given.pop("execution", None), url=url, **given)


def test_an_answer_is_given_with_its_body_parsed(run: Callable[..., Ended], url: str) -> None:
    """status_code, body, parsed and headers; the request names StackStorm and the action."""
    ended = run(f"{url}/a", params={"q": "1 2"}, headers={"X-Mine": "m"}, cookies={"c": "v"})
    assert ended.status == "succeeded"
    assert set(ended.result) == {"status_code", "body", "parsed", "headers"}
    assert (ended.result["status_code"], ended.result["parsed"]) == (200, True)
    body: Any = ended.result["body"]
    assert (body["method"], body["path"]) == ("GET", "/a?q=1+2")
    sent = body["headers"]
    assert (sent["x-mine"], sent["cookie"], sent["x-stanley-action"]) == ("m", "c=v", "http")
    assert sent["user-agent"].startswith("st2/v")


@pytest.mark.parametrize(("path", "parsed"), [("text", False), ("broken", False), ("json", True)])
def test_only_json_is_parsed(run: Callable[..., Ended], url: str, path: str, parsed: bool) -> None:
    """By the content type, whatever stands behind its semicolon; what cannot be parsed stays text."""
    result = run(f"{url}/{path}").result
    assert (result["parsed"], isinstance(result["body"], str)) == (parsed, not parsed)


@pytest.mark.parametrize(
    ("status", "expected"), [(200, "succeeded"), (206, "succeeded"), (302, "failed"), (404, "failed"), (500, "failed")]
)
def test_the_status_code_decides(run: Callable[..., Ended], url: str, status: int, expected: str) -> None:
    """200 to 206 succeed; redirects are not followed unless asked for."""
    ended = run(f"{url}/{status}")
    assert (ended.status, ended.result["status_code"]) == (expected, status)


def test_redirects_are_followed_when_asked_for(run: Callable[..., Ended], url: str) -> None:
    """allow_redirects: true."""
    assert run(f"{url}/302", allow_redirects=True).result["status_code"] == 200


def test_a_body_makes_it_a_post(run: Callable[..., Ended], url: str) -> None:
    """JSON is written anew where the header says so, Python's own form is read too, other text goes as it is."""
    typed = {"Content-Type": "application/json"}
    assert run(f"{url}/b", body="{'a': 'ü'}", headers=typed).result["body"]["body"] == '{"a":"ü"}'
    plain = run(f"{url}/b", body="text ü").result["body"]
    assert (plain["method"], plain["body"]) == ("POST", "text ü")
    assert run(f"{url}/b", body="x", method="PUT").result["body"]["method"] == "PUT"


def test_a_user_and_a_password_are_basic_authentication(run: Callable[..., Ended], url: str) -> None:
    """As in the Authorization header of RFC 7617."""
    sent = run(f"{url}/a", username="me", password="pw").result["body"]["headers"]
    assert sent["authorization"] == "Basic bWU6cHc="


def test_a_file_is_sent_as_a_form(run: Callable[..., Ended], url: str) -> None:
    """With its name, content and type."""
    sent = run(f"{url}/f", file_name="f.txt", file_content="inside", file_content_type="text/csv").result["body"]
    assert sent["method"] == "POST"
    assert sent["headers"]["content-type"].startswith("multipart/form-data")
    assert 'name="f.txt"' in sent["body"]
    assert "inside" in sent["body"]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"url_hosts_blacklist": ["127.0.0.1"]}, "is blacklisted"),
        ({"url_hosts_whitelist": ["example.com"]}, "is not whitelisted"),
        ({"url_hosts_blacklist": ["a"], "url_hosts_whitelist": ["b"]}, "mutually exclusive"),
    ],
)
def test_hosts_can_be_refused(run: Callable[..., Ended], url: str, given: dict[str, Any], error: str) -> None:
    """By a list of those that may not be asked, or of the only ones that may; not by both."""
    ended = run(f"{url}/a", **given)
    assert ended.status == "failed"
    assert error in ended.result["error"]
    assert run(f"{url}/a", url_hosts_whitelist=["127.0.0.1"]).status == "succeeded"


def test_no_answer_in_time_is_a_time_out(run: Callable[..., Ended], url: str) -> None:
    """Status timeout, and the error alone as the result."""
    ended = run(f"{url}/slow", timeout=0.2)
    assert ended.status == "timeout"
    assert set(ended.result) == {"error"}


def test_a_server_that_is_not_there_is_an_error(run: Callable[..., Ended]) -> None:
    """Failed, with the error and its traceback."""
    ended = run("http://127.0.0.1:9/")
    assert ended.status == "failed"
    assert "Connection refused" in ended.result["error"]


def test_a_request_can_be_stopped(acting: Acting, run: Callable[..., Ended], url: str) -> None:
    """Its connection is closed, and it is canceled."""
    with ThreadPoolExecutor(1) as pool:
        Echo.arrived.clear()
        running = pool.submit(run, f"{url}/slow", execution="e-http")
        assert Echo.arrived.wait(10)
        acting.runners.cancel("e-http")
        assert running.result(timeout=10).status == "canceled"
