"""The local data plane answers as the real gateway does, and keeps what it accepts."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.gateway import WRITE_KEY, dataplane

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = (WRITE_KEY, "")
GOOD = {"type": "track", "event": "E", "userId": "ann", "messageId": "m-1"}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Give the address of a data plane with nothing in it."""
    with dataplane(tmp_path) as server:
        yield server.url


def post(url: str, body: bytes, path: str = "/v1/batch", **more: Any) -> tuple[int, str]:
    """Post bytes and give status and text."""
    answer = requests.post(url + path, data=body, timeout=10, **({"auth": KEY} | more))
    return answer.status_code, answer.text


def batch(*messages: object) -> bytes:
    """Make the body of a batch."""
    return json.dumps({"batch": messages, "sentAt": "2025-11-20T12:00:00Z"}).encode()


def stats(url: str) -> dict[str, Any]:
    """Ask what was accepted."""
    counted: dict[str, Any] = requests.get(f"{url}/stats", timeout=10).json()
    return counted


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"{", 400, "Invalid JSON"),
        (b"[]", 400, "Invalid JSON"),
        (b"", 400, "Request body is nil"),
        (batch(GOOD | {"x": float("nan")}), 400, "Invalid JSON"),
        (batch(), 400, "Empty batch payload"),
        (b"{}", 400, "Empty batch payload"),
        (batch(GOOD, GOOD | {"userId": None}), 400, "Request neither has anonymousId nor userId"),
        (batch(GOOD, GOOD | {"userId": "  ", "anonymousId": ""}), 400, "Request neither has anonymousId nor userId"),
        (batch(GOOD, "text"), 400, "Event is not a Valid Rudder Event"),
        (batch(GOOD, {"userId": "ann"}), 400, "Event is not a Valid Rudder Event"),
        (batch(GOOD, GOOD | {"context": []}), 400, "Event is not a Valid Rudder Event"),
        (batch(GOOD | {"x": "x" * 4_096_000}), 413, "Request size exceeds max limit"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_one_bad_event_refuses_the_whole_batch(url: str, body: bytes, status: int, text: str, *, packed: bool) -> None:
    """Plain text says why; nothing is kept; packed or not, and the limit holds for what is unpacked."""
    sent = (gzip.compress(body, 1), {"Content-Encoding": "gzip"}) if packed else (body, {})
    assert post(url, sent[0], headers=sent[1]) == (status, text)
    assert stats(url)["messages"] == 0


@pytest.mark.parametrize(
    ("how", "text"),
    [({"auth": ("wrong", "")}, "Invalid Write Key"), ({"auth": None}, "Failed to read writeKey from header")],
)
def test_a_wrong_write_key_is_401(url: str, how: dict[str, Any], text: str) -> None:
    """Before anything of the body is looked at."""
    assert post(url, b"{", **how) == (401, text)


def test_bytes_that_are_not_gzip_are_400(url: str) -> None:
    """A broken compression is the sender's fault."""
    assert post(url, b"no", headers={"Content-Encoding": "gzip"})[0] == 400


def test_a_gzip_bomb_is_413_and_unpacked_no_further(url: str) -> None:
    """Megabytes that would become gigabytes are cut off at the limit."""
    assert post(url, gzip.compress(b" " * 50_000_000, 1), headers={"Content-Encoding": "gzip"})[0] == 413


def test_an_unknown_path_is_404(url: str) -> None:
    """Only the calls that exist are answered."""
    assert post(url, batch(GOOD), "/v1/nothing")[0] == 404
    assert requests.get(f"{url}/nothing", timeout=10).status_code == 404


def test_every_delivery_is_kept(url: str) -> None:
    """The same messageId twice is two deliveries of one message; single calls count too; the newest is listed first."""
    assert post(url, batch(GOOD, GOOD | {"messageId": "m-2"})) == (200, "OK")
    assert post(url, gzip.compress(batch(GOOD)), headers={"Content-Encoding": "gzip"}) == (200, "OK")
    assert post(url, json.dumps({"anonymousId": "a"}).encode(), "/v1/identify") == (200, "OK")
    assert stats(url) == {"messages": 4, "distinct": 3, "by_event": {"E": 3, "identify": 1}}
    listed = requests.get(f"{url}/messages?limit=2", timeout=10).json()
    assert [each["message"]["type"] for each in listed] == ["identify", "track"]


@contextmanager
def started(folder: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the program, wait until it is ready, and leave it to nobody."""
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "orchestrator.dev.dataplane", "--state", str(folder), "--ready-file", str(ready)]
    child = subprocess.Popen([*command, *more], stdout=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 30
        while not ready.exists() and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        yield child, json.loads(ready.read_text())["url"]
    finally:
        child.kill()
        child.communicate()


def test_the_program_keeps_its_messages_over_a_restart(tmp_path: Path) -> None:
    """It prints its URL, ends cleanly on SIGTERM, and starts again at once on the same port with all it had."""
    with started(tmp_path, "--write-key", WRITE_KEY) as (child, url):
        assert post(url, batch(GOOD)) == (200, "OK")
        child.send_signal(signal.SIGTERM)
        shown, _ = child.communicate(timeout=30)
        assert (shown.strip(), child.returncode) == (url, 0)
    port = url.rpartition(":")[2]
    with started(tmp_path, "--port", port, "--parent-pid", str(os.getpid())) as (_, same):
        assert same == url
        assert stats(url)["messages"] == 1


def test_the_program_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """When its parent is killed it does not stay behind."""
    starter = (
        "import os, subprocess, sys, time\n"
        f"command = [sys.executable, '-m', 'orchestrator.dev.dataplane', '--state', {str(tmp_path)!r}]\n"
        "child = subprocess.Popen([*command, '--parent-pid', str(os.getpid())], stdout=subprocess.PIPE, text=True)\n"
        "print(child.pid, child.stdout.readline(), flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    url = parent.stdout.readline().split()[1]
    assert stats(url)["messages"] == 0
    parent.kill()
    parent.communicate(timeout=30)
    deadline = time.monotonic() + 30
    while _answers(url) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _answers(url)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/health", timeout=5).ok
    except requests.ConnectionError:
        return False
