"""The API's server against clients that are slow, wrong, many or unknown: each is answered, and it goes on."""

from __future__ import annotations

import base64
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.stackstorm_server import embedded

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "the-operators-key"
PATIENCE = 10.0


@pytest.fixture(scope="module")
def open_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an embedded StackStorm that asks for no key."""
    folder = tmp_path_factory.mktemp("open")
    (folder / "p").mkdir()
    (folder / "p" / "pack.yaml").write_text("{name: p, description: d, version: 0.1.0, author: a}")
    with embedded(folder, folder / "p") as found:
        yield found


@pytest.fixture(scope="module")
def closed_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an embedded StackStorm that asks for a key."""
    folder = tmp_path_factory.mktemp("closed")
    (folder / "p").mkdir()
    (folder / "p" / "pack.yaml").write_text("{name: p, description: d, version: 0.1.0, author: a}")
    (folder / "key").write_text(KEY)
    with embedded(folder, folder / "p", options=("--api-key-file", str(folder / "key"))) as found:
        yield found


def say(url: str, *parts: bytes) -> bytes:
    """Send bytes as they are, and give all that comes back until the server closes the connection."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        for part in parts:
            connection.sendall(part)
        found = b""
        while block := connection.recv(65_536):
            found += block
    return found


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET\r\n\r\n", b"400"),
        (b"GET /v1/packs HTTP/9.9\r\n\r\n", b"505"),
        (b"BREW /v1/packs HTTP/1.1\r\n\r\n", b"501"),
        (b"GET /v1/" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET /v1/packs HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", b"431"),
        (b"GET /v1/packs HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"431"),
        (b"POST /v1/executions HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /v1/executions HTTP/1.1\r\nContent-Length: ten\r\n\r\n", b"400"),
        (b"POST /v1/executions HTTP/1.1\r\nContent-Length: 10000001\r\n\r\n", b"413"),
        (b"POST /v1/executions HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", b"400"),
        (b"POST /v1/executions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"POST /v1/executions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n989681\r\n", b"413"),
        (b"POST /v1/executions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n0\r\n\r\n", b"400"),
    ],
)
def test_what_is_no_request_is_refused_with_a_faultstring(open_url: str, sent: bytes, status: bytes) -> None:
    """The status says what was wrong, the body is JSON, the connection is closed, and the next request is served."""
    head, _, body = say(open_url, sent).partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == status
    assert json.loads(body)["faultstring"]
    assert requests.get(f"{open_url}/v1/packs", timeout=PATIENCE).status_code == 200


def test_a_body_that_is_too_large_is_refused_so_that_the_client_can_read_why(open_url: str) -> None:
    """The refusal arrives although the client sends all of its 10 MB first."""
    answer = requests.post(f"{open_url}/v1/executions", data=b" " * 10_000_001, timeout=PATIENCE)
    assert answer.status_code == 413
    assert answer.json() == {"faultstring": "expected a body of at most 10000000 bytes, got 10000001"}


def test_a_chunked_body_is_read_whole(open_url: str) -> None:
    """What came in pieces is one JSON document, and the connection serves the next request."""
    with requests.Session() as session:
        pieces = iter([b'{"name": "chunked",', b' "value"', b': "v"}'])
        put = session.put(
            f"{open_url}/v1/keys/chunked", data=pieces, headers={"Content-Type": "application/json"}, timeout=PATIENCE
        )
        assert (put.status_code, put.json()["value"]) == (200, "v")
        assert session.get(f"{open_url}/v1/keys/chunked", timeout=PATIENCE).json()["value"] == "v"


def test_a_refused_request_leaves_its_connection_usable(open_url: str) -> None:
    """The body of a request that nobody serves is read all the same: two requests on one connection, two answers."""
    first = b"POST /nowhere HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
    found = say(open_url, first + b"GET /v1/user HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert found.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 404" in found
    assert b"HTTP/1.1 500" in found


def test_an_options_request_is_answered_once(open_url: str) -> None:
    """Its body is no second request, whatever it looks like; one that is too large is refused."""
    hidden = b"GET /v1/packs HTTP/1.1\r\nConnection: close\r\n\r\n"
    head = b"OPTIONS /v1/packs HTTP/1.1\r\nConnection: close\r\nContent-Length: "
    found = say(open_url, head + str(len(hidden)).encode() + b"\r\n\r\n" + hidden)
    assert (found.count(b"HTTP/1.1 "), b"HTTP/1.1 200" in found, b"Allow: GET" in found) == (1, True, True)
    assert b"HTTP/1.1 413" in say(open_url, head + b"10000001\r\n\r\n")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:9101"}, 200),
        ({"Host": "[::1]:9101", "Origin": "http://127.0.0.1:3000"}, 200),
        ({"Host": "site.example"}, 403),
        ({"Host": "127.0.0.1.site.example"}, 403),
        ({"Host": "localhost]["}, 403),
        ({"Origin": "https://site.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_a_page_of_another_site_runs_nothing_where_no_key_is_set(
    open_url: str, headers: dict[str, str], status: int
) -> None:
    """A browser's Origin, and a Host that resolves to loopback, must be of this machine; st2 and curl send such."""
    ask = {"action": "core.local", "parameters": {"cmd": "true"}}
    made = requests.post(f"{open_url}/v1/executions", json=ask, headers=headers, timeout=PATIENCE)
    assert made.status_code == (201 if status == 200 else status)
    assert requests.get(f"{open_url}/v1/packs", headers=headers, timeout=PATIENCE).status_code == status
    if status == 403:
        assert made.json()["faultstring"].startswith("expected a request from this machine, as no API key is set")


def test_a_key_opens_from_anywhere(closed_url: str) -> None:
    """Whoever has the key may be a page of any site, or ask for the server by another name."""
    headers = {"St2-Api-Key": KEY, "Host": "st2.example", "Origin": "https://chat.example"}
    assert requests.get(f"{closed_url}/v1/packs", headers=headers, timeout=PATIENCE).status_code == 200


def test_a_head_answers_as_a_get_without_its_body(open_url: str) -> None:
    """Status, length and type are the GET's."""
    get = requests.get(f"{open_url}/v1/packs", timeout=PATIENCE)
    head = requests.head(f"{open_url}/v1/packs", timeout=PATIENCE)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == get.headers["Content-Length"]
    assert "GET" in requests.options(f"{open_url}/v1/packs", timeout=PATIENCE).headers["Allow"]


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
def test_both_prefixes_and_escaped_names_reach_the_same(open_url: str, prefix: str) -> None:
    """A key whose name holds a colon and a space is found by its escaped name."""
    named = f"{open_url}{prefix}/keys/p.Action%3Aa%20b"
    assert requests.put(named, json={"name": "x", "value": "v"}, timeout=PATIENCE).json()["name"] == "p.Action:a b"


def test_a_request_keeps_its_own_id(open_url: str) -> None:
    """X-Request-Id comes back; without one a new one is made."""
    asked = requests.get(f"{open_url}/v1/packs", headers={"X-Request-Id": "mine"}, timeout=PATIENCE)
    assert asked.headers["X-Request-Id"] == "mine"
    assert len(requests.get(f"{open_url}/v1/packs", timeout=PATIENCE).headers["X-Request-Id"]) == 36


def test_two_hundred_clients_at_once_are_all_served(open_url: str) -> None:
    """All connections are open at the same time, the idle ones too, and each gets its answer."""
    host, _, port = open_url.removeprefix("http://").partition(":")
    idle = [socket.create_connection((host, int(port)), timeout=PATIENCE) for _ in range(200)]
    try:
        with ThreadPoolExecutor(50) as pool:
            urls = [f"{open_url}/v1/packs"] * 200
            statuses = list(pool.map(lambda url: requests.get(url, timeout=PATIENCE).status_code, urls))
        assert statuses == [200] * 200
        for connection in idle:
            connection.sendall(b"GET /v1/packs HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert [connection.recv(12) for connection in idle] == [b"HTTP/1.1 200"] * 200
    finally:
        for connection in idle:
            connection.close()


def test_a_client_that_goes_away_or_keeps_silent_harms_nobody(open_url: str) -> None:
    """Half a request, and a connection cut before its answer, leave the server serving."""
    host, _, port = open_url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as slow:
        slow.sendall(b"POST /v1/executions HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        for _ in range(20):
            with socket.create_connection((host, int(port)), timeout=PATIENCE) as cut:
                cut.sendall(b"GET /v1/packs HTTP/1.1\r\n\r\n")
        assert requests.get(f"{open_url}/v1/packs", timeout=PATIENCE).status_code == 200


@pytest.mark.parametrize(
    ("headers", "query", "status", "faultstring"),
    [
        ({}, "", 401, "Unauthorized - One of Token or API key required."),
        ({"St2-Api-Key": "wrong"}, "", 401, "Unauthorized"),
        ({"X-Auth-Token": "wrong"}, "", 401, "Unauthorized"),
        ({}, "?st2-api-key=wrong", 401, "Unauthorized"),
        ({"St2-Api-Key": KEY}, "", 200, None),
        ({}, f"?st2-api-key={KEY}", 200, None),
        ({"Cookie": "auth-token=wrong"}, "", 401, "Unauthorized"),
    ],
)
def test_a_key_opens_and_nothing_else_does(
    closed_url: str, headers: dict[str, str], query: str, status: int, faultstring: str | None
) -> None:
    """In the header or in the query; a missing one and a wrong one are told apart, as the real one tells them."""
    answer = requests.get(f"{closed_url}/v1/packs{query}", headers=headers, timeout=PATIENCE)
    assert answer.status_code == status
    if faultstring:
        assert answer.json() == {"faultstring": faultstring}


def log_in(url: str, password: str, path: str = "/auth/v1/tokens", **asked: Any) -> requests.Response:
    """Ask for a token with a password."""
    basic = base64.b64encode(f"ann:{password}".encode()).decode()
    return requests.post(url + path, json=asked, headers={"Authorization": f"Basic {basic}"}, timeout=PATIENCE)


@pytest.mark.parametrize("path", ["/tokens", "/v1/tokens", "/auth/tokens", "/auth/v1/tokens"])
def test_the_key_as_a_password_gives_a_token_that_opens(closed_url: str, path: str) -> None:
    """The token is its user's, in the header, the query or a cookie, wherever the auth URL leads."""
    answer = log_in(closed_url, KEY, path, ttl=60)
    assert answer.status_code == 201
    assert set(answer.json()) == {"user", "token", "expiry", "metadata", "service", "id"}
    token = answer.json()["token"]
    for given in (
        {"headers": {"X-Auth-Token": token}},
        {"params": {"x-auth-token": token}},
        {"cookies": {"auth-token": token}},
    ):
        user = requests.get(f"{closed_url}/v1/user", timeout=PATIENCE, **given)  # type: ignore[arg-type]  # one of requests' arguments
        assert user.json()["username"] == "ann"


def test_a_wrong_password_and_a_long_ttl_give_no_token(closed_url: str) -> None:
    """401 and 400 in StackStorm's words; a body that is no object is refused too."""
    assert log_in(closed_url, "wrong").json() == {"faultstring": "Invalid or missing credentials"}
    assert log_in(closed_url, KEY, ttl=90_000).json()["faultstring"].startswith("TTL specified 90000 is greater")
    assert requests.post(f"{closed_url}/tokens", timeout=PATIENCE).status_code == 401


def test_an_api_key_is_shown_once_and_opens_until_it_is_disabled(closed_url: str) -> None:
    """POST shows the key; the list never does; a disabled or deleted key opens nothing."""
    session = requests.Session()
    session.headers["St2-Api-Key"] = KEY
    made = session.post(f"{closed_url}/v1/apikeys", json={"user": "bob", "metadata": {"a": 1}}, timeout=PATIENCE).json()
    headers = {"St2-Api-Key": made["key"]}
    packs = f"{closed_url}/v1/packs"
    assert requests.get(packs, headers=headers, timeout=PATIENCE).status_code == 200
    listed = session.get(f"{closed_url}/v1/apikeys", timeout=PATIENCE)
    assert made["key"] not in listed.text
    assert {key["key_hash"] for key in listed.json()} == {"********"}
    session.put(f"{closed_url}/v1/apikeys/{made['id']}", json={"enabled": False}, timeout=PATIENCE)
    assert requests.get(packs, headers=headers, timeout=PATIENCE).status_code == 401
    assert session.delete(f"{closed_url}/v1/apikeys/{made['id']}", timeout=PATIENCE).status_code == 204
    assert session.get(f"{closed_url}/v1/apikeys/{made['id']}", timeout=PATIENCE).status_code == 404
