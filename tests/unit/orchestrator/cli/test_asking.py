"""A stream as a server may send it: what is in a line, and what is none of ours."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.cli.asking import stream
from orchestrator.domain.errors import RedriveError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Serve = Callable[[bytes], str]


@pytest.fixture
def served() -> Iterator[Serve]:
    """Serve these bytes as a stream of events, at the URL that is given back."""
    servers: list[HTTPServer] = []

    def serve(body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing on stderr."""

        servers.append(HTTPServer(("127.0.0.1", 0), Handler))
        Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.05}).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield serve
    for each in servers:
        each.shutdown()
        each.server_close()


@pytest.mark.parametrize("cut", ["\u2028", "\u2029", "\u0085", "\x0b", "\x1e"], ids=ascii)
def test_only_the_end_of_a_line_ends_an_event(served: Serve, cut: str) -> None:
    """What Python takes for the end of a line, and a stream of events does not, stays within the text."""
    escaped = cut if cut.isprintable() or ord(cut) > 0x1F else f"\\u{ord(cut):04x}"
    url = served(f': beat\n\nevent: naïve{cut}\ndata: {{"reason": "a{escaped}b"}}\n\n'.encode())
    assert list(stream(url, "/events")) == [(f"naïve{cut}", {"reason": f"a{cut}b"})]


@pytest.mark.parametrize("data", [b'{"cut', b"<html>", b"5", b"\xff\xfe{}", b""], ids=ascii)
def test_what_is_no_event_is_an_error_that_says_so(served: Serve, data: bytes) -> None:
    """Something else answers there, or it was cut: an error with what came, after what was told before it."""
    url = served(b'event: good\ndata: {"at": 1}\n\nevent: bad\ndata: ' + data + b"\n\n")
    told = stream(url, "/events")
    assert next(told) == ("good", {"at": 1})
    with pytest.raises(RedriveError, match=r"expected JSON objects as events, got b['\"]"):
        next(told)
