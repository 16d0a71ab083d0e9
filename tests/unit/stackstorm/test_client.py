"""The client against peers that misbehave: every call ends in time, and says what is wrong without a secret."""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from orchestrator.breaker import Breaker, Policy
from orchestrator.domain.errors import (
    CircuitOpen,
    DependencyUnreachable,
    NotFound,
    Refused,
    TimedOut,
    Unauthorised,
)
from orchestrator.stackstorm.client import StackStorm
from orchestrator.stackstorm.credentials import Login
from orchestrator.stackstorm.matching import would_match
from tests.stackstorm_server import embedded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = "an-api-key"
EXECUTION = {"id": "6b0000000000000000000000", "action": {"ref": "a.b"}, "status": "running"}
FOUND = (200, {}, json.dumps(EXECUTION).encode())
ACCEPTED = (202, {}, b'{"trigger": "t", "payload": {}}')
Answer = tuple[int, dict[str, str], bytes]


class Peer(ThreadingHTTPServer):
    """A server that gives its answers in turn, and the last one for ever after; keeps what it was sent."""

    def __init__(self, answers: list[Answer], context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.seen: list[dict[str, str]] = []
        self.scheme = "https" if context else "http"
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that refuse its certificate."""


class Handler(BaseHTTPRequestHandler):
    """Answers as its server was told."""

    server: Peer

    def do_GET(self) -> None:
        """Answer whatever comes."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append({**dict(self.headers), ":path": self.path, ":at": str(time.monotonic())})
        turn = min(len(self.server.seen), len(self.server.answers)) - 1
        status, headers, body = self.server.answers[turn]
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 http.server looks the methods up by these names

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def peer(*answers: Answer, context: ssl.SSLContext | None = None) -> Iterator[Peer]:
    """A peer that serves."""
    server = Peer(list(answers), context)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def raw_peer(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A peer that does with each connection what `serve` does, after the request has come."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    try:
                        serve(connection)
                    except OSError:
                        continue

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


def look_up(client: StackStorm) -> str:
    """Ask for an execution; gives its status."""
    return client.execution(EXECUTION["id"]).status  # type: ignore[arg-type]  # a text, beside other types


def dispatch(client: StackStorm) -> None:
    """Emit a trigger."""
    client.dispatch("redrive.incident_opened", {}, "trace")


def test_a_peer_that_hangs_is_given_up() -> None:
    """A connection that is accepted and never answered ends with the time-out, once, not never."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        with pytest.raises(TimedOut, match="ReadTimeout"):
            StackStorm(f"http://127.0.0.1:{silent.getsockname()[1]}", None, 0.2).firings("t")
        assert time.monotonic() - began < 30


def test_a_peer_that_drips_is_given_up() -> None:
    """An answer that comes a byte at a time has no more time than one that does not come."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            connection.sendall(b" ")
            time.sleep(0.05)

    with raw_peer(drip) as url, pytest.raises(TimedOut):
        StackStorm(url, None, 0.3).firings("t")


def test_a_peer_that_cuts_in_the_middle_is_asked_again_for_what_harms_nobody() -> None:
    """Three tries to read; one to emit, since the trigger may have been accepted."""
    calls: list[int] = []

    def cut(connection: socket.socket) -> None:
        calls.append(1)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[")

    with raw_peer(cut) as url:
        with pytest.raises(DependencyUnreachable, match="ProtocolError"):
            StackStorm(url, None, 5.0).firings("t")
        assert len(calls) == 3
        with pytest.raises(DependencyUnreachable):
            dispatch(StackStorm(url, None, 5.0))
        assert len(calls) == 4


@pytest.mark.parametrize(
    ("status", "body", "kind", "expected"),
    [
        (401, b'{"faultstring": "Unauthorized"}', Unauthorised, "401 Unauthorized: Unauthorized"),
        (500, b'{"faultstring": "Internal Server Error"}', DependencyUnreachable, "500 Internal Server Error"),
        (400, b'{"faultstring": "no such trigger"}', Refused, "400 Bad Request: no such trigger"),
        (403, b"{}", Refused, "403 Forbidden"),
        (302, b"", Refused, "302 Found"),
        (404, b'{"faultstring": "no such place"}', Refused, "404 Not Found: no such place"),
        (502, b"<html>", DependencyUnreachable, "502 Bad Gateway"),
        (200, b"<html>", DependencyUnreachable, "expected JSON, got JSONDecodeError"),
    ],
)
def test_an_answer_that_is_none_is_told_by_its_cause(
    status: int, body: bytes, kind: type[Exception], expected: str
) -> None:
    """The error names the status and StackStorm's own words; the API key stays out of it and of the environment."""
    with peer((status, {}, body)) as other:
        with pytest.raises(DependencyUnreachable) as caught:
            dispatch(StackStorm(other.url, KEY, 5.0))
        assert type(caught.value) is kind
        assert expected in str(caught.value)
        assert KEY not in f"{caught.value!r}{caught.value.__cause__!r}"
        assert KEY not in os.environ.values()
        (seen,) = other.seen  # emitted once: it may have been accepted, or would be refused again
    assert seen["St2-Api-Key"] == KEY
    assert (seen["St2-Trace-Tag"], seen[":path"]) == ("trace", "/v1/webhooks/st2")
    assert seen["User-Agent"].startswith("redrive/")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_reading_is_repeated_while_the_peer_is_unwell(status: int) -> None:
    """The third answer counts; all three requests carry one id, which tells the peer's logs that they are one call."""
    with peer((status, {}, b""), (status, {}, b""), FOUND) as other:
        assert look_up(StackStorm(other.url, None, 5.0)) == "running"
        assert len({seen["X-Request-Id"] for seen in other.seen}) == 1
        assert len(other.seen) == 3


@pytest.mark.parametrize(("status", "times"), [(429, 2), (503, 2), (500, 1), (502, 1), (504, 1)])
def test_a_trigger_is_emitted_again_only_where_nothing_was_done(status: int, times: int) -> None:
    """429 and 503 say that it was not; after any other failure it may have been."""
    with peer((status, {}, b""), ACCEPTED) as other:
        client = StackStorm(other.url, None, 5.0)
        if times == 2:
            dispatch(client)
        else:
            with pytest.raises(DependencyUnreachable):
                dispatch(client)
        assert len(other.seen) == times


def test_a_trigger_is_emitted_when_the_peer_comes_up() -> None:
    """A connection that was refused has carried nothing: it is tried again."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(DependencyUnreachable, match="ConnectionError") as caught:
        dispatch(StackStorm(f"http://127.0.0.1:{port}", None, 1.0))
    assert caught.value.what == "StackStorm"


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_waited_for(as_date: bool) -> None:
    """Seconds or a date: the second request comes no earlier."""
    asked = (datetime.now(UTC) + timedelta(seconds=2)).strftime("%a, %d %b %Y %H:%M:%S GMT") if as_date else "1"
    with peer((429, {"Retry-After": asked}, b""), FOUND) as other:
        look_up(StackStorm(other.url, None, 10.0))
        first, second = (float(seen[":at"]) for seen in other.seen)
    assert second - first >= 0.9


def test_a_retry_after_beyond_the_time_out_is_not_waited_for() -> None:
    """The call ends at once with the status; whoever asked decides when to ask again."""
    began = time.monotonic()
    with peer((503, {"Retry-After": "600"}, b"")) as other:
        with pytest.raises(DependencyUnreachable, match="503"):
            look_up(StackStorm(other.url, None, 2.0))
        assert len(other.seen) == 1
    assert time.monotonic() - began < 30


def test_a_circuit_that_is_open_asks_nobody() -> None:
    """After as many failures as the breaker allows no request leaves this host, and none is repeated."""
    breaker = Breaker("StackStorm", lambda: 0.0, Policy(in_a_row=3))
    with peer((500, {}, b"")) as other:
        client = StackStorm(other.url, None, 5.0, breaker=breaker)
        with pytest.raises(CircuitOpen, match="the circuit of StackStorm is open"):
            [dispatch_quietly(client) for _ in range(3)] and look_up(client)
        assert len(other.seen) == 3


def dispatch_quietly(client: StackStorm) -> None:
    """Emit a trigger into a peer that is unwell."""
    with pytest.raises(DependencyUnreachable, match="500"):
        dispatch(client)


def test_what_a_healthy_peer_refuses_leaves_the_circuit_closed() -> None:
    """401 and 404 are answers of a peer that is well."""
    breaker = Breaker("StackStorm", lambda: 0.0, Policy(in_a_row=2))
    with peer((401, {}, b"")) as other:
        client = StackStorm(other.url, KEY, 5.0, breaker=breaker)
        for _ in range(4):
            with pytest.raises(Unauthorised):
                look_up(client)
        assert breaker.current_state == "closed"


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_the_url_may_name_the_version_or_not(suffix: str) -> None:
    """Both forms reach /v1; one that is not there is NotFound."""
    with peer((404, {}, b"{}")) as other:
        with pytest.raises(NotFound):
            look_up(StackStorm(other.url + suffix, None, 5.0))
        assert other.seen[0][":path"] == "/v1/executions/6b0000000000000000000000"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key and a certificate that signs itself, for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    signed = (
        builder.not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    (folder / "certificate.pem").write_bytes(signed.public_bytes(pem))
    return folder


def test_a_certificate_that_nobody_signed_is_refused_and_accepted_with_its_file(certificate: Path) -> None:
    """TLS is verified: against the authorities that requests knows, or against the file that is named."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    with peer(FOUND, context=context) as other:
        with pytest.raises(DependencyUnreachable, match="SSLError: expected a certificate"):
            look_up(StackStorm(other.url, KEY, 5.0))
        assert other.seen == []
        trusting = StackStorm(other.url, KEY, 5.0, ca_file=str(certificate / "certificate.pem"))
        assert look_up(trusting) == "running"


def token(name: str, seconds: float) -> Answer:
    """An answer of /tokens."""
    expiry = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return 201, {}, json.dumps({"token": name, "expiry": expiry}).encode()


def test_a_refused_token_is_renewed_once() -> None:
    """401 brings a new token and the same request again; a second 401 is Unauthorised."""
    refused: Answer = (401, {}, b'{"faultstring": "Unauthorized"}')
    with peer(
        token("first", 3600), refused, token("second", 3600), ACCEPTED, refused, token("third", 3600), refused
    ) as other:
        client = StackStorm(other.url, Login(f"{other.url}/auth/v1", "ann", "pass-word"), 5.0)
        dispatch(client)
        paths = [(seen[":path"], seen.get("X-Auth-Token")) for seen in other.seen]
        assert paths == [
            ("/auth/v1/tokens", None),
            ("/v1/webhooks/st2", "first"),
            ("/auth/v1/tokens", None),
            ("/v1/webhooks/st2", "second"),
        ]
        with pytest.raises(Unauthorised) as caught:
            dispatch(client)
        assert "pass-word" not in str(caught.value)


def test_a_token_is_renewed_before_it_expires() -> None:
    """Within the last minute of its life, by the clock, the next call asks for a new one."""
    now = time.time()
    clock = [now]
    with peer(token("first", 3600), FOUND, FOUND, token("second", 9999), FOUND) as other:
        login = Login(f"{other.url}/auth", "ann", "p", clock=lambda: clock[0])
        client = StackStorm(other.url, login, 5.0)
        look_up(client)
        clock[0] = now + 3500
        look_up(client)
        clock[0] = now + 3550
        look_up(client)
        used = [seen["X-Auth-Token"] for seen in other.seen if "X-Auth-Token" in seen]
    assert used == ["first", "first", "second"]


@pytest.mark.parametrize("answer", [(401, {}, b"{}"), (404, {}, b"{}"), (201, {}, b"<html>"), (201, {}, b"[]")])
def test_a_login_that_brings_no_token_is_unauthorised(answer: Answer) -> None:
    """The password is in no error."""
    with peer(answer) as other, pytest.raises(Unauthorised) as caught:
        look_up(StackStorm(other.url, Login(other.url, "ann", "pass-word"), 5.0))
    assert "pass-word" not in f"{caught.value!r}{caught.value.__cause__!r}"


def test_a_rule_that_cannot_be_read_here_is_neither_sure_nor_missed() -> None:
    """Criteria of another kind are told as what is not known; those that do not hold are."""
    assert would_match({"trigger.x": {"type": "eq", "pattern": "{{ st2kv.system.y }}"}}, {"x": 1}) is None
    assert not would_match({"trigger.x": {"type": "lt", "pattern": 3}}, {"x": "text"})


@pytest.mark.timeout(20)
@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "in a search"])
def test_a_rule_whose_pattern_could_loop_without_end_is_not_evaluated(wrapped: bool) -> None:
    """It is not evaluated on this side, where nothing could stop it; a pattern that names the payload is."""

    def holds(pattern: str) -> bool | None:
        if not wrapped:
            return would_match({"trigger.x": {"type": "eq", "pattern": pattern}}, {"x": 1, "y": 2})
        nested = {"item.x": {"type": "eq", "pattern": pattern.replace("trigger", "item")}}
        spec = {"trigger.l": {"type": "search", "condition": "any", "pattern": nested}}
        return would_match(spec, {"l": [{"x": 1, "y": 2}]})

    loop = "{% for i in range(100000) %}{% for j in range(10 ** 9) %}{% endfor %}{% endfor %}"
    assert holds(loop) is None
    assert holds("{{ 9 ** 9 ** 9 }}") is None
    assert (holds("{{ trigger.x }}"), holds("{{ trigger.y }}")) == (True, False)


def test_the_embedded_one_lets_in_by_key_and_by_password(tmp_path: Path) -> None:
    """With an API key file: nothing, a wrong key and a wrong password are refused, the right ones served."""
    key_file = tmp_path / "key"
    key_file.write_text(KEY)
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "pack.yaml").write_text("{name: p, description: d, version: 0.1.0, author: a}")
    with embedded(tmp_path, tmp_path / "pack", options=("--api-key-file", str(key_file))) as url:
        with pytest.raises(Unauthorised, match="401 Unauthorized: Unauthorized - One of Token or API key"):
            StackStorm(url, None, 5.0).firings("t")
        for wrong in ("another", Login(url, "ann", "another")):
            with pytest.raises(Unauthorised, match="401"):
                StackStorm(url, wrong, 5.0).firings("t")
        for right in (KEY, Login(f"{url}/auth/v1", "ann", KEY)):
            assert StackStorm(url, right, 5.0).firings("t") == []
