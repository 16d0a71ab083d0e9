"""RudderStack's own form: what its SDKs send arrives, one bad message loses no other, and they read what they know."""

from __future__ import annotations

import gzip
import json
import math
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from eventbus.wire import RUDDERSTACK_MESSAGE, from_mapping, to_mapping
from orchestrator.api.ingest.messages import REFUSED
from orchestrator.api.ingest.write_keys import read_keys
from orchestrator.domain.errors import LogFull
from orchestrator.domain.events import Appended, EventRecord, Lane
from orchestrator.domain.room import is_urgent
from orchestrator.eventlog.memory import MemoryEventLog
from tests.unit.orchestrator.api.test_events_api import DEEP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.unit.orchestrator.api.conftest import Served, Server

SENT = "2025-11-20T11:59:30.000Z"
BASIC = "Basic d2ViLWtleTo="


class FullLog(MemoryEventLog):
    """A log without room."""

    def append(self, records: Sequence[EventRecord]) -> Appended:
        """Refuse."""
        raise LogFull(9.2 if records else 0.0)


def message(message_id: str | None = "m-1", **changes: Any) -> dict[str, Any]:
    """Make a message as an SDK does."""
    made = {"type": "track", "event": "Paid", "userId": "ann", "messageId": message_id, "context": {}}
    return {name: value for name, value in (made | changes).items() if value is not None}


def post(api: Served, body: object, path: str = "/v1/batch", **headers: str) -> requests.Response:
    """Post as the SDK does: packed JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    kinds = {"Content-Type": "application/json", "Content-Encoding": "gzip"} | headers
    return requests.post(api.url + path, data=gzip.compress(content), headers=kinds, timeout=30)


def batch(*messages: object) -> dict[str, Any]:
    """Make the body of a batch."""
    return {"batch": list(messages), "sentAt": SENT}


def logged(api: Served, event_type: str = RUDDERSTACK_MESSAGE) -> list[dict[str, Any]]:
    """Read the events of a type that the log holds."""
    found = [each.record for each in api.scene.log.read(Lane.TELEMETRY, 0, 10_000)]
    return [orjson.loads(each.body) for each in found if each.type == event_type]


def test_a_batch_is_answered_as_the_gateway_does(api: Served) -> None:
    """200 and plain text; every message is there whole, under its own messageId, from the source."""
    sent = [message(f"m-{index}", properties={"n": [index, None, "é"]}) for index in range(3)]
    answer = post(api, batch(*sent))
    assert (answer.status_code, answer.text) == (200, "OK")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "Redrive-Refused" not in answer.headers
    found = logged(api)
    assert [each["id"] for each in found] == ["m-0", "m-1", "m-2"]
    assert {each["source"] for each in found} == {"urn:redrive:source:default"}
    assert [{name: each["data"][name] for name in sent[0]} for each in found] == sent
    assert {each["data"]["sentAt"] for each in found} == {SENT}
    assert [to_mapping(from_mapping(each)) for each in found] == found


@pytest.mark.parametrize("call", ["track", "identify", "page", "screen", "group", "alias"])
def test_each_call_has_a_path_of_its_own(api: Served, call: str) -> None:
    """A single message takes its type from where it was posted."""
    assert post(api, message(type=None), f"/v1/{call}").text == "OK"
    assert [each["data"]["type"] for each in logged(api)] == [call]


def test_the_same_message_again_is_one(api: Served) -> None:
    """An SDK that tries again makes nothing twice."""
    for _ in range(2):
        assert post(api, batch(message("a"), message("b"))).status_code == 200
    assert [each["id"] for each in logged(api)] == ["a", "b"]


def test_a_message_without_an_id_gets_one_that_stays(api: Served) -> None:
    """As the gateway does: each is an event of its own, and its messageId goes on with it."""
    assert post(api, batch(message(None), message(""))).status_code == 200
    found = logged(api)
    assert [each["data"]["messageId"] for each in found] == [each["id"] for each in found]
    assert len({each["id"] for each in found}) == 2


def test_the_sender_s_times_are_kept_and_its_clock_is_set_right(api: Served) -> None:
    """What it says is kept; where it does not say when, ours is counted back by what its own clock measured."""
    said, began = "2025-11-20T10:00:00+00:00", "2025-11-20T11:59:20.000Z"
    post(api, batch(message("a", timestamp=said), message("b", originalTimestamp=began), message("c", sentAt=said)))
    first, second, third = logged(api)
    assert (first["time"], first["data"]["timestamp"]) == (said, said)
    assert second["time"] == second["data"]["timestamp"] == "2025-11-20T11:59:50+00:00"
    assert (second["data"]["originalTimestamp"], second["data"]["sentAt"]) == (began, SENT)
    assert (third["time"], third["data"]["sentAt"]) == (api.scene.now.isoformat(), said)


BAD: list[tuple[object, str]] = [
    (message("bad", userId="  "), "/userId"),
    (message("bad", userId=None), "/userId"),
    (message("bad", properties={"a": [math.nan]}), "/properties/a/0"),
    (message("bad", event="\ud800"), "/event"),
    (message("bad", context=[]), "/context"),
    (message("bad", type=5), "/type"),
    (message("x" * 2_000), "/messageId"),
    (message("bad", traits={"a\r\nX-Evil: 1": math.inf}), "/traits/a"),
    (7, "the whole"),
]


@pytest.mark.parametrize(("bad", "field"), BAD, ids=[field for _, field in BAD])
def test_one_bad_message_loses_no_other(api: Served, bad: object, field: str) -> None:
    """The good ones are accepted and the SDK sees 200; the bad one is kept whole with its reason, and told."""
    with capture_logs() as lines:
        answer = post(api, batch(message("a"), bad, message("b")))
    assert (answer.status_code, answer.text, answer.headers["Redrive-Refused"]) == (200, "OK", "1")
    assert "X-Evil" not in answer.headers
    first = answer.headers["Redrive-Refused-First"]
    assert first.startswith("/batch/1: expected ")
    assert field in first
    assert [each["id"] for each in logged(api)] == ["a", "b"]
    (kept,) = logged(api, REFUSED)
    assert field in kept["data"]["why"]
    assert kept["source"] == "urn:redrive:source:default"
    assert not is_urgent(REFUSED)
    whole = json.loads(b64decode(kept["data"]["body"]))
    assert json.dumps(whole, sort_keys=True) == json.dumps({"sentAt": SENT} | bad if isinstance(bad, dict) else bad,
                                                           sort_keys=True)  # fmt: skip
    (line,) = [each for each in lines if each["event"] == "event.refused"]
    assert (line["source"], line["refused"], line["of"], line["first"]) == ("default", 1, 3, 1)
    post(api, batch(message("a"), bad, message("b")))
    assert len(logged(api, REFUSED)) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | DEEP,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = ["type", "userId", "anonymousId", "messageId", "timestamp", "originalTimestamp", "sentAt", "context", "event"]
MESSAGES = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), JSON, max_size=4).map(
    lambda changes: message(None) | changes
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=st.lists(MESSAGES | JSON, min_size=1, max_size=4), sent=JSON)
def test_no_random_batch_is_a_fault_of_ours(api: Served, messages: list[object], sent: object) -> None:
    """Whatever comes, a batch is accepted and its bad messages are counted, or nothing in it was good."""
    before = len(logged(api))
    answer = post(api, {"batch": [*messages, message(None)], "sentAt": sent})
    assert (answer.status_code, answer.text) == (200, "OK")
    refused = int(answer.headers.get("Redrive-Refused", "0"))
    assert refused <= len(messages)
    assert len(logged(api)) - before <= len(messages) + 1 - refused


def test_what_is_nested_too_deeply_is_kept_too(api: Served) -> None:
    """What can be read and not be written again costs its neighbours nothing."""
    deep = b'{"type":"track","userId":"a","messageId":"d","context":{"a":' + b"[" * 600 + b"]" * 600 + b"}}"
    answer = post(api, b'{"batch":[' + deep + b"," + json.dumps(message("good")).encode() + b"]}")
    assert (answer.status_code, answer.headers["Redrive-Refused"]) == (200, "1")
    assert [each["id"] for each in logged(api)] == ["good"]
    assert len(logged(api, REFUSED)) == 1


def test_where_nothing_is_good_the_sdk_is_told(api: Served) -> None:
    """400 in plain text calls the SDK's `on_error`; nothing good is lost by it, and the bad ones are kept."""
    answer = post(api, batch(message(userId=" "), 5))
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text.startswith("/batch/0: expected userId or anonymousId")
    assert len(logged(api, REFUSED)) == 2


@pytest.mark.parametrize("body", [b"{", b"[]", b"", b"{}", b'{"batch":[]}', b'{"batch":{}}', b"[" * 5_000])
def test_what_is_no_batch_is_400_in_plain_text(api: Served, body: bytes) -> None:
    """A body that holds no message is refused whole, as the gateway does."""
    answer = post(api, body)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text.startswith("expected ")


def test_a_full_log_is_503_with_retry_after(server: Server, api: Served) -> None:
    """The SDK keeps its batch and tries again."""
    api.scene.log = FullLog()
    server.serve(api)
    answer = post(api, batch(message()))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_too_much_is_413_in_plain_text(api: Served) -> None:
    """More bytes than one request may have, when unpacked."""
    answer = post(api, b" " * 11_000_000)
    assert answer.status_code == 413
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_write_keys_name_the_source(server: Server, api: Served) -> None:
    """Each key stands for a source of its own; another one, or none, is 401 in plain text, as the gateway answers."""
    api.write_keys = {"web-key": "web", "app-key": "app"}
    server.serve(api)
    assert post(api, batch(message("a")), Authorization=BASIC).text == "OK"
    assert logged(api)[0]["source"] == "urn:redrive:source:web"
    for named in ({}, {"Authorization": "Basic b3RoZXI6"}, {"Authorization": "Bearer x"}, {"Authorization": "Basic ="}):
        answer = post(api, batch(message("b")), **named)
        assert (answer.status_code, answer.headers["Content-Type"]) == (401, "text/plain; charset=utf-8")
        assert "Key" in answer.text
    assert len(logged(api)) == 1


def test_the_same_uuid_from_two_sources_is_two_messages(server: Server, api: Served) -> None:
    """SDKs make UUIDs, and a test fixture may repeat one: each source's is kept, and again from one is known."""
    api.write_keys = {"web-key": "web", "app-key": "app"}
    server.serve(api)
    same = batch(message("0b0e7a51-0f5a-4c1e-9a43-6f1d2f0e8c11"))
    for key in ("web-key", "app-key", "web-key"):
        basic = "Basic " + b64encode(f"{key}:".encode()).decode()
        assert post(api, same, Authorization=basic).text == "OK"
    assert [each["source"] for each in logged(api)] == ["urn:redrive:source:web", "urn:redrive:source:app"]


def test_why_finds_a_message_by_its_id(api: Served) -> None:
    """Also where that is a UUID, which is not the key it is filed under."""
    same = "0b0e7a51-0f5a-4c1e-9a43-6f1d2f0e8c11"
    post(api, batch(message(same)))
    found = api.ask("GET", f"/api/v1/events/{same}/why").json()
    assert (found["id"], found["key"] == same) == (same, False)


def test_an_api_with_a_token_takes_nobody_without_a_key(guarded: Served) -> None:
    """Where the API asks for a token, and no write keys are set, an SDK's key is not one; nor is the token."""
    for named in (BASIC, "Bearer s3cret"):
        assert post(guarded, batch(message()), Authorization=named).status_code == 401
    assert logged(guarded) == []


def test_a_key_in_the_settings_is_checked() -> None:
    """Each has a name; no key stands for two sources; what is wrong is told by its place, not by the key."""
    assert read_keys("web=k1, app=k=2,") == {"k1": "web", "k=2": "app"}
    for wrong in ("secretkey", "=secretkey", "a b=secretkey", "web=", "web=secretkey,app=secretkey"):
        with pytest.raises(ValueError, match="expected") as told:
            read_keys(wrong)
        assert "secretkey" not in str(told.value)
