"""What one request may cost: depth, members of gzip, messages and bytes in hand are bounded, and no neighbour pays."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest

from eventbus.wire import LLM_CALL
from orchestrator.api.ingest.bodies import MOST_MEMBERS
from orchestrator.api.ingest.envelopes import MOST_EVENTS
from orchestrator.api.ingest.messages import REFUSED
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


def test_gzip_has_a_bounded_number_of_members(api: Served) -> None:
    """Each member costs a copy of what follows: as many as may be are read, one more is 400."""
    first, *rest = json.dumps([envelope()]).encode(), *[b""] * (MOST_MEMBERS - 1)
    most = b"".join(map(gzip.compress, [first, *rest]))
    assert post_events(api, most, PACKED).status_code == 202
    assert "members" in problem(post_events(api, most + gzip.compress(b""), PACKED))["detail"]
