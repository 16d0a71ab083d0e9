"""What the sample provider is ordered to suffer from, and what its log says of each request."""

from __future__ import annotations

import http.client
import json
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from loadtests.apps.provider import Provider
from loadtests.apps.provider_control import OrderInvalid, order_of
from loadtests.apps.provider_state import State
from loadtests.faults import Fault, FaultKind
from loadtests.stamps import asked_of, read_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.parametrize(
    ("body", "trouble"),
    [
        ({"up": True}, None),
        ({"state": "up"}, None),
        ({"up": False}, Fault(FaultKind.OUTAGE)),
        ({"state": "rate_limited", "retry_after": 3}, Fault(FaultKind.RATE_LIMITED, retry_after=3.0)),
        ({"state": "slow", "slow": 0.25}, Fault(FaultKind.SLOW, slow=0.25)),
    ],
)
def test_an_order_names_a_trouble(body: dict[str, Any], trouble: Fault | None) -> None:
    """Each state has its own trouble with its own seconds; up has none."""
    assert order_of(body) == trouble


@pytest.mark.parametrize("body", [{}, {"state": "away"}, {"state": "slow", "slow": -1}, {"state": "slow", "slow": "x"}])
def test_an_order_that_is_none_says_what_was_expected(body: dict[str, Any]) -> None:
    """An unknown state and seconds that are none are refused."""
    with pytest.raises(OrderInvalid, match="expected"):
        order_of(body)


@contextmanager
def asking(log: Path) -> Iterator[Any]:
    """Serve a provider in this process, and give what asks it: (method, path, body) -> (status, headers, body)."""
    provider = Provider(0, State(0.0), log)
    Thread(target=provider.serve_forever, args=(0.02,), daemon=True).start()
    connection = http.client.HTTPConnection("127.0.0.1", provider.server_port, timeout=10)

    def ask(method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any, Any]:
        headers = {"X-Client-Request-Id": "t-1", "X-Attempt": "a-1"}
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, json.loads(answer.read())

    try:
        yield ask
    finally:
        connection.close()
        provider.shutdown()
        provider.server_close()


CALL = {"model": "gpt-4o", "context_tokens": 3, "generated_tokens": 5}


def test_each_answer_is_logged_with_the_trouble_that_held(tmp_path: Path) -> None:
    """Tokens are counted of what was answered well; a malformed request is refused in every weather."""
    with asking(tmp_path / "asked") as ask:
        for order in ("up", "down", "rate_limited", "slow"):
            assert ask("POST", "/control", {"state": order, "retry_after": 2, "slow": 0.01})[0] == 200
            ask("POST", "/v1/chat/completions", CALL)
        ask("POST", "/v1/chat/completions", CALL | {"malformed": True})
    asked = asked_of(read_lines(tmp_path / "asked"))
    assert {(each.id, each.attempt) for each in asked} == {("t-1", "a-1")}
    assert [(each.status, each.trouble, each.tokens_in, each.tokens_out) for each in asked] == [
        (200, "-", 3, 5),
        (503, "provider_down", 0, 0),
        (429, "provider_rate_limited", 0, 0),
        (200, "provider_slow", 3, 5),
        (400, "malformed", 0, 0),
    ]


def test_health_is_what_a_call_would_meet(tmp_path: Path) -> None:
    """Well while it is up and while it is slow, 503 while it is down, 429 with Retry-After while it limits."""
    told = []
    with asking(tmp_path / "asked") as ask:
        for order in ("up", "down", "rate_limited", "slow"):
            ask("POST", "/control", {"state": order, "retry_after": 2, "slow": 0.01})
            status, headers, _ = ask("GET", "/health")
            told.append((status, headers["Retry-After"]))
    assert told == [(200, None), (503, None), (429, "2"), (200, None)]
    assert read_lines(tmp_path / "asked") == []


def test_a_wrong_order_changes_nothing(tmp_path: Path) -> None:
    """It is answered 400, and the provider is as it was."""
    with asking(tmp_path / "asked") as ask:
        ask("POST", "/control", {"state": "down"})
        status, _, told = ask("POST", "/control", {"state": "sideways"})
        assert (status, ask("GET", "/health")[0]) == (400, 503)
        assert "'sideways'" in told["error"]["message"]
