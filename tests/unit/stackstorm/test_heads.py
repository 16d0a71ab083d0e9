"""What is read of a request's head at once is what http.server reads of it line by line."""

from __future__ import annotations

import socket
from email.message import Message
from http.client import parse_headers
from io import BufferedReader, BytesIO

import pytest

from orchestrator.stackstorm.embedded.api import heads

LINE = b"POST /v1/executions?a=%20b HTTP/1.1\r\n"


def stream(raw: bytes) -> BufferedReader:
    """Give bytes as a connection's file gives them."""
    return BufferedReader(BytesIO(raw))  # type: ignore[arg-type]  # typeshed wants a RawIOBase


@pytest.mark.parametrize(
    "raw",
    [
        b"Host: a\r\n",
        b"Host:a\r\nContent-Length: 4\r\ncontent-type:\t application/json; charset=utf-8 \r\n",
        b"X-Twice: one\r\nx-twice: two\r\nX!#$%&'*+.^_`|~-1: a:b: c\r\n",
        b"Content-Type: multipart/form-data; boundary=x\r\nCookie: a=b; c=d\r\n",
    ],
)
def test_a_plain_head_is_read_as_http_server_reads_it(raw: bytes) -> None:
    """The same headers by name and in order, and the body still to be read."""
    given = stream(raw + b"\r\nbody")
    head = heads.plain(LINE, given)
    expected = parse_headers(BytesIO(raw + b"\r\n"))
    assert head is not None
    assert (head.method, head.target) == ("POST", "/v1/executions?a=%20b")
    assert head.headers.items() == expected.items()
    assert isinstance(head.headers, Message)
    assert given.read() == b"body"


@pytest.mark.parametrize(
    ("line", "raw"),
    [
        (LINE, b"Host: a\r\n folded\r\n"),
        (LINE, b"Host : a\r\n"),
        (LINE, b"Host: \xe9\r\n"),
        (LINE, b"Host:\r\n"),
        (LINE, b"Host: a\n"),
        (LINE, b"Host: a\rX: b\r\n"),
        (LINE, b"no colon\r\n"),
        (LINE, b"expect: 100-continue\r\n"),
        (LINE, b"".join(b"X-%d: a\r\n" % number for number in range(101))),
        (b"GET /v1/packs HTTP/1.0\r\n", b"Host: a\r\n"),
        (b"GET //v1/packs HTTP/1.1\r\n", b"Host: a\r\n"),
        (b"GET /v1/p\xe9 HTTP/1.1\r\n", b"Host: a\r\n"),
        (b"GET  /v1/packs HTTP/1.1\r\n", b"Host: a\r\n"),
        (b"GET /v1/packs HTTP/1.1\n", b"Host: a\r\n"),
        (b"BREW /v1/packs HTTP/1.1\r\n", b"Host: a\r\n"),
    ],
)
def test_what_is_not_plain_is_left_to_http_server(line: bytes, raw: bytes) -> None:
    """Nothing of it has been read then."""
    given = stream(raw + b"\r\n")
    assert heads.plain(line, given) is None
    assert given.read() == raw + b"\r\n"


def test_a_head_that_comes_in_pieces_is_left_to_http_server() -> None:
    """What has not come yet is not waited for."""
    here, there = socket.socketpair()
    with here, there, here.makefile("rb") as given:
        there.sendall(b"Host: a\r\nX-Next: ")
        assert heads.plain(LINE, given) is None
        there.sendall(b"b\r\n\r\n")
        assert parse_headers(given).items() == [("Host", "a"), ("X-Next", "b")]
