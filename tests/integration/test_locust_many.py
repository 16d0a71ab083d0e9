"""More than one Locust process, and Locust's own web page."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
import requests

from loadtests.trace import read_trace
from tests.integration.locust_peer import Peer, locust, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.locust_peer import Locust

SEED, STRIDE = 3, 997


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A server on a free port."""
    with serving() as peer:
        yield peer


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def load(peer: Peer, *, users: int) -> list[str]:
    """Give the options of a run with two web users and an operator."""
    told = ["--headless", "--host", peer.url, "--api-url", peer.url, "--load-seed", str(SEED), "--rate", "40"]
    return [*told, "--users", str(users), "--spawn-rate", str(users)]


def of_process(peer: Peer, process: int) -> int:
    """Count the calls that one process of Locust asked for: each begins at a place of its own in the trace."""
    first = SEED + STRIDE * process
    places = {(each.context_tokens, each.generated_tokens) for each in islice(read_trace(), first, first + 5)}
    return sum((body["context_tokens"], body["generated_tokens"]) in places for body in peer.calls)


def share_the_rate(peer: Peer, running: Locust) -> None:
    """Both processes ask, together as many as one alone would, and all is counted in one place."""
    running.wait_for(lambda: True if of_process(peer, 0) >= 5 and of_process(peer, 1) >= 5 else None)
    first = max(body["intended"] for body in peer.calls)
    running.wait_for(lambda: True if sum(body["intended"] > first for body in peer.calls) >= 120 else None)
    later = sorted(body["intended"] for body in peer.calls if body["intended"] > first)
    # 120 arrivals at 40 a second take 3 s; half and twice the rate are more than five standard deviations away.
    assert 1.5 < later[119] - first < 6
    running.stop()
    assert running.counted()["POST /calls"] == (len(peer.calls), 0) == (len(running.answered()), 0)


def test_two_processes_share_the_rate(peer: Peer, tmp_path: Path) -> None:
    """`--processes 2` is one load, not two."""
    with locust(tmp_path, *load(peer, users=3), "--processes", "2") as running:
        share_the_rate(peer, running)


@pytest.mark.slow
def test_a_master_tells_its_workers_what_they_have_to_do(peer: Peer, tmp_path: Path) -> None:
    """Rate, seed and number of users stand at the master alone; workers know where it is."""
    port = str(free_port())
    master = [*load(peer, users=3), "--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port]
    worker = ["--worker", "--master-host", "127.0.0.1", "--master-port", port]
    with ExitStack() as stack:
        running = stack.enter_context(locust(tmp_path, *master, "--expect-workers", "2", name="master"))
        workers = [stack.enter_context(locust(tmp_path, *worker, name=name)) for name in ("one", "two")]
        share_the_rate(peer, running)
        assert [each.process.wait(30) for each in workers] == [0, 0]


def test_locust_s_own_page_starts_a_load(peer: Peer, tmp_path: Path) -> None:
    """The page answers; what is filled in there begins, and its table counts the calls."""
    port = free_port()
    page = f"http://127.0.0.1:{port}"
    options = ["--host", peer.url, "--api-url", peer.url, "--web-host", "127.0.0.1", "--web-port", str(port)]
    with locust(tmp_path, *options) as running:

        def answering() -> str | None:
            try:
                answer = requests.get(page, timeout=5)
            except requests.ConnectionError:
                return None
            return answer.text if answer.ok else None

        assert "Calls a second of all web users together" in running.wait_for(answering)
        form = {"user_count": 2, "spawn_rate": 2, "host": peer.url, "rate": "30"}
        assert requests.post(f"{page}/swarm", data=form, timeout=10).json()["success"]
        running.wait_for(lambda: True if len(peer.calls) >= 30 else None)

        def counted() -> dict[str, Any] | None:
            stats = requests.get(f"{page}/stats/requests", timeout=10).json()["stats"]
            return next((each for each in stats if each["name"] == "POST /calls" and each["num_requests"] >= 30), None)

        assert running.wait_for(counted)["num_failures"] == 0
        assert requests.post(f"{page}/stop", timeout=10).json()["success"]
        assert running.stop() == 0, running.log
