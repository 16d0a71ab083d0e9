"""What one request may cost: depth, members of gzip, messages and bytes in hand are bounded, and no neighbour pays."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
import tracemalloc
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest
import requests
from starlette.requests import Request

from eventbus.wire import LLM_CALL
from orchestrator.api.ingest import working
from orchestrator.api.ingest.bodies import MOST_MEMBERS
from orchestrator.api.ingest.envelopes import MOST_EVENTS
from orchestrator.api.ingest.faults import unfit
from orchestrator.api.ingest.messages import REFUSED
from orchestrator.api.ingest.working import Busy, Workers
from tests.unit.orchestrator.api import test_rudderstack_api as rudderstack
from tests.unit.orchestrator.api.test_events_api import MANY, envelope, problem
from tests.unit.orchestrator.api.test_events_api import post as post_events
from tests.unit.orchestrator.api.test_rudderstack_api import logged, message

if TYPE_CHECKING:
    from tests.unit.orchestrator.api.conftest import Served

PACKED = MANY | {"Content-Encoding": "gzip"}


def nested(levels: int) -> bytes:
    """Write an object in an object, and so on."""
    return b'{"a":' * levels + b"1" + b"}" * levels


def spliced(value: dict[str, Any], levels: int) -> bytes:
    """Write an object whose member `deep` is nested so deeply."""
    return json.dumps(value).encode()[:-1] + b',"deep":' + nested(levels) + b"}"


def kept(api: Served) -> list[bytes]:
    """Read what was kept of messages that were refused."""
    return [b64decode(each["data"]["body"]) for each in logged(api, REFUSED)]


def test_a_message_that_cannot_be_written_is_kept_cut(api: Served) -> None:
    """Each such message costs its own size, not that of the whole body; what names it is there."""
    deep = [spliced(message(f"deep-{number}"), 1_010) for number in range(20)]
    answer = rudderstack.post(api, b'{"batch":[' + b",".join([*deep, json.dumps(message("good")).encode()]) + b"]}")
    assert (answer.status_code, answer.headers["Redrive-Refused"]) == (200, "20")
    found = kept(api)
    assert [json.loads(each)["messageId"] for each in found] == [f"deep-{number}" for number in range(20)]
    assert sum(map(len, found)) <= sum(map(len, deep))


def test_a_batch_has_as_many_messages_as_events(api: Served) -> None:
    """Beyond that it is 413 in plain text, and nothing of it is kept."""
    answer = rudderstack.post(api, b'{"batch":[' + b"1," * MOST_EVENTS + b"1]}")
    assert (answer.status_code, kept(api)) == (413, [])
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_what_a_batch_says_of_all_is_not_copied_at_any_length(api: Served) -> None:
    """`sentAt` goes into each message: what is longer than a time can be does not."""
    body = {"batch": [message("a"), message("b")], "sentAt": "2025-11-20T11:59:30." + "0" * 10_000 + "Z"}
    assert rudderstack.post(api, body).text == "OK"
    assert ["sentAt" in each["data"] for each in logged(api)] == [False, False]


@pytest.mark.parametrize("levels", [260, 300, 600, 900, 1_010])
def test_a_bad_event_that_is_nested_deeply_is_refused_alone(api: Served, levels: int) -> None:
    """One of our own types with a fault, and a depth at which the check gives up: its neighbour is accepted."""
    bad = envelope(type=LLM_CALL, time="2026-11-20T12:00:00Z")
    text = json.dumps(bad).encode()[:-1] + b', "data":' + nested(levels) + b"}"
    answer = post_events(api, b"[" + text + b"," + json.dumps(envelope()).encode() + b"]", MANY)
    assert answer.status_code == 207, answer.text
    refused, accepted = answer.json()["events"]
    assert (refused["status"], accepted["status"]) == ("refused", "accepted")
    assert "levels" in refused["errors"][0]["expected"]


@pytest.mark.parametrize("levels", [260, 300, 600, 900, 1_010])
def test_a_bad_message_that_is_nested_deeply_is_refused_alone(api: Served, levels: int) -> None:
    """As for CloudEvents, in RudderStack's form."""
    bad = spliced(message("bad", type=None), levels)
    answer = rudderstack.post(api, b'{"batch":[' + bad + b"," + json.dumps(message("good")).encode() + b"]}")
    assert (answer.status_code, answer.headers["Redrive-Refused"]) == (200, "1")
    assert "levels" in answer.headers["Redrive-Refused-First"]
    assert [each["id"] for each in logged(api)] == ["good"]


def test_where_a_fault_stands_costs_no_more_than_it_is_deep() -> None:
    """The names above a fault are put together once it is found, not at each level; and so much of them is told."""
    value: object = math.nan
    for _ in range(300):
        value = {"x" * 2_000: value}
    tracemalloc.start()
    (fault,) = unfit(value)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10_000_000
    assert (fault.field[:3], len(fault.field) < 2_000) == ("/xx", True)


@pytest.mark.parametrize("path", ["/v1/events", "/v1/batch"])
def test_bodies_in_hand_are_bounded(api: Served, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """While others hold nearly all that may be held, a body too many is told to come again; then there is room."""
    body = json.dumps([envelope()] if path == "/v1/events" else {"batch": [message()]}).encode()
    monkeypatch.setattr(working, "MOST_IN_HAND", len(body))

    def sent() -> requests.Response:
        return requests.post(api.url + path, data=body, headers=MANY, timeout=30)

    assert sent().status_code in {200, 202}
    refused = requests.post(api.url + path, data=body + b" ", headers=MANY, timeout=30)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert sent().status_code == 200


def test_what_one_holds_another_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes count until their request is answered, and no longer, whatever became of it."""
    monkeypatch.setattr(working, "MOST_IN_HAND", 10)
    workers = Workers()

    async def scenario() -> None:
        async with workers.body(sending(b"12345", b"6")):
            with pytest.raises(Busy):
                await read(workers, b"1234", b"5")
            assert await read(workers, b"12", b"34") == b"1234"
        assert await read(workers, b"1234567890") == b"1234567890"

    asyncio.run(scenario())


def test_a_body_that_does_not_come_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends the half and then nothing holds nobody off for long."""
    monkeypatch.setattr(working, "MOST_IN_HAND", 10)
    monkeypatch.setattr(working, "MOST_SECONDS", 0.01)
    workers = Workers()

    async def scenario() -> None:
        sent = iter([{"type": "http.request", "body": b"123456789", "more_body": True}])

        async def receive() -> dict[str, Any]:
            for part in sent:
                return part
            await asyncio.Event().wait()
            raise AssertionError("nobody sets it")

        with pytest.raises(Busy, match="seconds"):
            async with workers.body(Request({"type": "http"}, receive)):
                pass
        monkeypatch.setattr(working, "MOST_SECONDS", 60)
        assert await read(workers, b"1234567890") == b"1234567890"

    asyncio.run(scenario())


async def read(workers: Workers, *parts: bytes) -> bytes:
    """Read a body that comes in parts."""
    async with workers.body(sending(*parts)) as body:
        return body


def sending(*parts: bytes) -> Request:
    """Make a request whose body comes in parts."""
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    following = iter([*messages, {"type": "http.request"}])

    async def receive() -> dict[str, Any]:
        return next(following)

    return Request({"type": "http"}, receive)


def test_gzip_has_a_bounded_number_of_members(api: Served) -> None:
    """Each member costs a copy of what follows: as many as may be are read, one more is 400."""
    first, *rest = json.dumps([envelope()]).encode(), *[b""] * (MOST_MEMBERS - 1)
    most = b"".join(map(gzip.compress, [first, *rest]))
    assert post_events(api, most, PACKED).status_code == 202
    assert "members" in problem(post_events(api, most + gzip.compress(b""), PACKED))["detail"]
