"""An embedder's vector goes beside the sketch; whatever the embedder does, the task goes on and nothing of it leaks."""

from __future__ import annotations

import logging
import sys
from array import array
from base64 import b64decode
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import orjson
import pytest

from eventbus import embedding, telemetry, wire
from eventbus.embedding import EmbedderFailed
from eventbus.openai_embedder import OpenAICompatible
from tests.unit.eventbus.test_telemetry import kept  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.unit.eventbus.test_telemetry import Kept

PROMPT = "Tell me the secret word: xyzzy"
KEY = "sk-plugh"
VECTOR = [0.25, -0.5, 1.0]
ANSWER = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": VECTOR}], "model": "m"}


class Server(ThreadingHTTPServer):
    """Speaks the API of embeddings; answers what it is told to, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 200
        self.answer: bytes = orjson.dumps(ANSWER)
        self.asked: list[tuple[str, str | None, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    """One request to the server."""

    server: Server

    def do_POST(self) -> None:
        """Keep the request and answer it."""
        body = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["Authorization"], body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    """Run a server."""
    made = Server()
    thread = Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No embedder has failed yet, and a crowded machine has time."""
    monkeypatch.setattr(embedding, "_resting_until", {})
    monkeypatch.setattr(embedding, "_said", set())
    monkeypatch.setattr(embedding, "WAIT_SECONDS", 60.0)


def client(url: str) -> OpenAICompatible:
    """Make an embedder that a crowded machine does not hurry."""
    made = OpenAICompatible(url, "small", KEY)
    made._timeout = 60.0
    return made


class Given:
    """An embedder of the application's own."""

    name = "own"

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.asked = 0
        self.began = Event()

    def embed(self, text: str) -> Sequence[float]:
        """Give or raise what it was made with; or wait for it."""
        self.asked += 1
        self.began.set()
        if isinstance(self.answer, Event):
            self.answer.wait()
        if isinstance(self.answer, type):
            raise self.answer(text)
        return self.answer  # type: ignore[no-any-return]  # a test says what


def sent(events: Kept) -> dict[str, Any]:
    """Give the embedding of the last event, which is as its schema says and has its sketch."""
    event = events.events[-1]
    jsonschema_rs.Draft202012Validator(orjson.loads(wire.schema_text(event.type))).validate(dict(event.data))
    assert sum(event.data["sketch"]["counts"]) == len(PROMPT) - 1
    assert not any(each in wire.encode_one(event) for each in (b"xyzzy", b"secret", KEY.encode()))
    found: dict[str, Any] = event.data["embedding"]
    return found


@contextmanager
def nothing_told(caplog: pytest.LogCaptureFixture, lines: int) -> Iterator[None]:
    """See that so many lines were logged by us, and that no line of anybody's holds the prompt or the key."""
    with caplog.at_level(logging.DEBUG):
        yield
    assert len([each for each in caplog.records if each.name == "eventbus.embedding"]) == lines
    assert not any(each in caplog.text for each in ("xyzzy", "secret", KEY))


def test_a_vector_goes_beside_the_sketch(kept: Kept, server: Server, caplog: pytest.LogCaptureFixture) -> None:  # noqa: F811 - a fixture
    """The server is asked as the API says; the event has the vector in 32 bits, and nowhere is the text or the key."""
    with nothing_told(caplog, 0):
        telemetry.similarity(PROMPT, embedder=client(server.url))
    (asked,) = server.asked
    assert asked[:2] == ("/v1/embeddings", f"Bearer {KEY}")
    assert asked[2] == {"model": "small", "input": PROMPT, "encoding_format": "float"}
    told = sent(kept)
    assert told["embedder"] == "small"
    assert array("f", b64decode(told["vector"])).tolist() == VECTOR
    assert KEY not in repr(client(server.url))


def test_without_an_embedder_nobody_is_asked(kept: Kept) -> None:  # noqa: F811 - a fixture
    """The event is what it was: a sketch alone."""
    telemetry.similarity(PROMPT)
    assert "embedding" not in kept.events[0].data


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((401, b"xyzzy is wrong, and so is sk-plugh"), "HTTP 401"),
        ((500, b""), "HTTP 500"),
        ((302, b""), "HTTP 302"),
        ((200, b"xyzzy"), "expected a list of numbers in data[0].embedding"),
        ((200, b'{"data": []}'), "expected a list of numbers in data[0].embedding"),
        ((200, b'{"data": [{"embedding": "xyzzy"}]}'), "expected a list of numbers in data[0].embedding"),
        ((200, b'{"data": [{"embedding": [null, 1]}]}'), "expected a list of numbers in data[0].embedding"),
        ((200, b'{"data": [{"embedding": [0, 0.0]}]}'), "expected finite numbers that are not all 0"),
        ((200, b'{"data": [{"embedding": [1e300]}]}'), "expected finite numbers that are not all 0"),
        ((200, b'{"data": [{"embedding": []}]}'), "expected 1 to 4096 numbers"),
        ((200, orjson.dumps({"data": [{"embedding": [1] * 4_097}]})), "expected 1 to 4096 numbers"),
        ((200, b" " * 1_500_000), "expected a list of numbers in data[0].embedding"),
    ],
)
def test_a_wrong_answer_leaves_the_sketch(
    kept: Kept,  # noqa: F811 - a fixture
    server: Server,
    caplog: pytest.LogCaptureFixture,
    answer: tuple[int, bytes],
    reason: str,
) -> None:
    """The event says why there is no vector, one line is logged, and the server is left alone for a while."""
    server.status, server.answer = answer
    embedder = client(server.url)
    with nothing_told(caplog, 1):
        telemetry.similarity(PROMPT, embedder=embedder)
        assert sent(kept) == {"embedder": "small", "failed": reason}
        telemetry.similarity(PROMPT, embedder=embedder)
    assert sent(kept) == {"embedder": "small", "failed": "resting"}
    assert len(server.asked) == 1


def test_a_server_that_is_gone_leaves_the_sketch(kept: Kept, server: Server) -> None:  # noqa: F811 - a fixture
    """Where nobody listens the kind of error is told, and the error holds no request."""
    server.shutdown()
    server.server_close()
    telemetry.similarity(PROMPT, embedder=client(server.url))
    assert sent(kept) == {"embedder": "small", "failed": "ConnectError"}
    with pytest.raises(EmbedderFailed, match=r"^ConnectError$") as raised:
        client(server.url).embed(PROMPT)
    assert raised.value.__context__ is None


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ValueError, "ValueError"),
        (SystemExit, "SystemExit"),
        (None, "TypeError"),
        (b"\0\0\0\0", "expected 1 to 4096 numbers"),
        ("xyzzy", "expected 1 to 4096 numbers"),
        (["xyzzy"], "TypeError"),
        ([10**400], "OverflowError"),
        ([float("nan"), 1.0], "expected finite numbers that are not all 0"),
    ],
)
def test_an_embedder_of_anybody_s_leaves_the_sketch(
    kept: Kept,  # noqa: F811 - a fixture
    caplog: pytest.LogCaptureFixture,
    answer: object,
    reason: str,
) -> None:
    """Whatever it raises or gives, its kind is told and not its text, which may hold the prompt."""
    with nothing_told(caplog, 1):
        telemetry.similarity(PROMPT, embedder=Given(answer))
    assert sent(kept) == {"embedder": "own", "failed": reason}


def test_one_that_never_answers_is_not_waited_for(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811 - a fixture
    """The call comes back, and the next ones do not ask again until it has rested."""
    monkeypatch.setattr(embedding, "WAIT_SECONDS", 0.01)
    never = Event()
    embedder = Given(never)
    try:
        telemetry.similarity(PROMPT, embedder=embedder)
        assert sent(kept) == {"embedder": "own", "failed": "no answer in 0.01 seconds"}
        telemetry.similarity(PROMPT, embedder=embedder)
        assert embedder.began.wait(60)
        assert embedder.asked == 1
    finally:
        never.set()
    monkeypatch.setattr(embedding, "WAIT_SECONDS", 60.0)
    monkeypatch.setattr(embedding, "monotonic", lambda: 1e12)
    embedder.answer = VECTOR
    telemetry.similarity(PROMPT, embedder=embedder)
    assert array("f", b64decode(sent(kept)["vector"])).tolist() == VECTOR


def test_what_is_missing_or_wrong_is_said_where_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without httpx the extra is named; a URL with a password and a wait without end are refused, and not repeated."""
    with pytest.raises(ValueError, match="without a user or a password") as raised:
        OpenAICompatible("https://ann:plugh@host/v1", "small")
    assert "plugh" not in str(raised.value)
    with pytest.raises(ValueError, match="`timeout` above 0 and up to 5 seconds, got 6"):
        OpenAICompatible("https://host/v1", "small", timeout=6)
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(RuntimeError, match=r"pip install 'redrive\[embeddings\]'"):
        OpenAICompatible("https://host/v1", "small", KEY)
