"""POST /v1/events: every mode of CloudEvents over HTTP, an answer for each event, and no refusal without its field."""

from __future__ import annotations

import gzip
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventbus.wire import AUDIT_RECORDED, LLM_CALL, SPAN_ENDED, TASK_FAILED, from_mapping, to_mapping
from orchestrator.api.ingest.bodies import MOST_BYTES
from orchestrator.domain.errors import DependencyUnreachable, LogFull
from orchestrator.domain.events import Appended, EventRecord, Lane
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.flows.outbox import OutboxCopier
from tests.events import CALL, event, own_samples
from tests.recovery import failed_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.unit.orchestrator.api.conftest import Served

ONE = {"Content-Type": "application/cloudevents+json"}
MANY = {"Content-Type": "application/cloudevents-batch+json"}
BOUND = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "urn:x", "ce-type": "com.example.thing"}


class FullLog(MemoryEventLog):
    """A log with room for failures alone."""

    def append(self, records: Sequence[EventRecord]) -> Appended:
        """Refuse all where one is no failure."""
        if any(each.type != TASK_FAILED for each in records):
            raise LogFull(2.5)
        return super().append(records)


class AwayLog(MemoryEventLog):
    """A log that does not answer."""

    def append(self, records: Sequence[EventRecord]) -> Appended:
        """Raise."""
        raise DependencyUnreachable("the event log", f"none of {len(records)}")


def envelope(**changes: Any) -> dict[str, Any]:
    """Give a right event of another's type, with changes."""
    return {"specversion": "1.0", "id": "1", "source": "urn:x", "type": "com.example.thing"} | changes


def call(**changes: Any) -> dict[str, Any]:
    """Give the event of a model call whose data has changes."""
    return to_mapping(event(LLM_CALL, CALL | changes))


def post(api: Served, body: object, headers: dict[str, str], path: str = "/v1/events") -> requests.Response:
    """Post a body: bytes as they are, another value as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(api.url + path, data=content, headers=headers, timeout=30)


def logged(api: Served) -> list[dict[str, Any]]:
    """Read what the log holds."""
    return [orjson.loads(each.record.body) for lane in Lane for each in api.scene.log.read(lane, 0, 10_000)]


def problem(answer: requests.Response, status: int = 400) -> dict[str, Any]:
    """Read a problem: it has the status, and says what to do."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert found["what_next"]
    return found


@pytest.mark.parametrize("path", ["/v1/events", "/api/v1/events"])
def test_a_structured_event_is_on_disk_when_it_is_answered(api: Served, path: str) -> None:
    """202 with its name; the same again is 200, and known."""
    sent = call()
    answer = post(api, sent, ONE, path)
    assert (answer.status_code, answer.json()) == (202, {**_named(sent), "status": "accepted"})
    again = post(api, sent, ONE, path)
    assert (again.status_code, again.json()["status"]) == (200, "duplicate")
    assert [each["id"] for each in logged(api)] == [sent["id"]]


def _named(sent: dict[str, Any]) -> dict[str, Any]:
    return {"id": sent["id"], "source": sent["source"]}


def test_each_event_of_a_batch_is_answered_for(api: Served) -> None:
    """Good ones are accepted, known ones are known, bad ones refused with their fields: 207."""
    good, bad = call(), call(**{"gen_ai.usage.input_tokens": "many"})
    post(api, good, ONE)
    answer = post(api, [good, bad, envelope(), {"specversion": "1.0"}], MANY)
    assert answer.status_code == 207
    told = answer.json()
    assert [each["status"] for each in told["events"]] == ["duplicate", "refused", "accepted", "refused"]
    assert (told["accepted"], told["duplicate"], told["refused"], told["full"]) == (1, 1, 2, 0)
    (error,) = told["events"][1]["errors"]
    assert error["field"] == "/1/data/gen_ai.usage.input_tokens"
    assert (error["expected"], error["got"]) == ("integer", "'many'")
    assert [each["field"] for each in told["events"][3]["errors"]] == ["/3/id", "/3/source", "/3/type"]
    assert len(logged(api)) == 2


def test_a_batch_of_which_nothing_is_accepted_is_a_problem(api: Served) -> None:
    """400, with the errors of all, and what became of each."""
    found = problem(post(api, [envelope(id=""), 7], MANY))
    assert [each["field"] for each in found["errors"]] == ["/0/id", "/1"]
    assert [each["status"] for each in found["events"]] == ["refused", "refused"]


def test_an_empty_batch_is_no_error(api: Served) -> None:
    """CloudEvents allows a batch of none."""
    answer = post(api, [], MANY)
    assert (answer.status_code, answer.json()["events"]) == (200, [])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"specversion": "0.3"}, "/specversion"),
        ({"id": 7}, "/id"),
        ({"source": ""}, "/source"),
        ({"type": None}, "/type"),
        ({"type": "a\nb"}, "/type"),
        ({"id": "x" * 1_025}, "/id"),
        ({"subject": 1}, "/subject"),
        ({"time": "yesterday"}, "/time"),
        ({"time": "2026-11-20T12:00:00"}, "/time"),
        ({"time": "0001-01-01T00:00:00+14:00"}, "/time"),
        ({"datacontenttype": []}, "/datacontenttype"),
        ({"Extra": "x"}, "/Extra"),
        ({"extra": 1.5}, "/extra"),
        ({"extra": {}}, "/extra"),
        ({"data": 1, "data_base64": "AA=="}, "/data_base64"),
        ({"data_base64": 5}, "/data_base64"),
        ({"type": LLM_CALL, "data": {}}, "/time"),
        ({"type": LLM_CALL, "time": "2026-11-20T12:00:00Z"}, "/data"),
        ({"type": LLM_CALL, "time": "2026-11-20T12:00:00Z", "data": {}}, "/data/gen_ai.operation.name"),
        ({"type": LLM_CALL, "time": "2026-11-20T12:00:00Z", "data": CALL | {"error": 5}}, "/data/error"),
        ({"type": LLM_CALL, "time": "2026-11-20T12:00:00Z", "datacontenttype": "text/plain"}, "/datacontenttype"),
        ({"type": TASK_FAILED, "time": "2026-11-20T12:00:00Z", "data": {"message": {}}}, "/data/failure_id"),
    ],
)
def test_a_refusal_names_the_field(api: Served, changes: dict[str, Any], field: str) -> None:
    """One event that breaks one rule: its field, what was expected, what came."""
    found = problem(post(api, envelope(**changes), ONE))
    first = found["errors"][0]
    assert field in [each["field"] for each in found["errors"]]
    assert first["expected"]
    assert first["got"]
    assert first["message"] in found["detail"]
    assert logged(api) == []


def test_what_passes_the_schema_and_not_the_ledger_is_refused_too(api: Served) -> None:
    """A failure that the ledger could not hold is not accepted, and its data is named."""
    bad = to_mapping(failed_event(0))
    bad["data"] = bad["data"] | {"task_id": "x" * 300}
    found = problem(post(api, bad, ONE))
    assert found["errors"][0]["field"] == "/data"
    assert "task_id" in found["errors"][0]["message"]


def test_nan_is_refused_where_it_stands_and_takes_nothing_with_it(api: Served) -> None:
    """NaN, Infinity, half a character and a number beyond 64 bits are no JSON; the event beside them is accepted."""
    bad = [{"a": [0, math.nan]}, {"a": math.inf}, {"a": "\ud800"}, {"\ud800": 1}, {"a": 2**80}]
    batch = [envelope(id=str(index), data=data) for index, data in enumerate(bad)]
    answer = post(api, [*batch, envelope(id="good"), envelope(id="\ud800")], MANY)
    assert answer.status_code == 207
    told = answer.json()["events"]
    fields = ["/0/data/a/1", "/1/data/a", "/2/data/a", "/3/data", "/4/data/a", None, "/6/id"]
    assert [each["errors"][0]["field"] if "errors" in each else None for each in told] == fields
    assert [each["id"] for each in logged(api)] == ["good"]


def test_data_of_another_s_type_is_taken_as_it_is(api: Served) -> None:
    """Whatever JSON, text or bytes: kept with the envelope; one without a time has the moment of its arrival."""
    datas = [{"a": 1}, [1, 2], "text", None, 3.5]
    post(api, [envelope(id=str(index), data=data, ext="e") for index, data in enumerate(datas)], MANY)
    found = logged(api)
    assert [each["data"] for each in found] == datas
    assert {(each["ext"], each["time"]) for each in found} == {("e", api.scene.now.isoformat())}


def test_binary_mode_has_the_attributes_in_headers(api: Served) -> None:
    """Names and percent-encoded values from ce- headers; JSON is data, any other content data_base64."""
    headers = {**BOUND, "ce-id": "caf%C3%A9%20%22x%22", "ce-traceparent": "00-1"}
    answer = post(api, {"a": 1}, headers | {"Content-Type": "application/json; charset=utf-8"})
    assert (answer.status_code, answer.json()["id"]) == (202, 'café "x"')
    post(api, b"\x00\xff", BOUND | {"Content-Type": "image/png"})
    post(api, b"", BOUND | {"ce-id": "3"})
    first, second, third = logged(api)
    assert (first["data"], first["traceparent"]) == ({"a": 1}, "00-1")
    assert (second["data_base64"], second["datacontenttype"]) == ("AP8=", "image/png")
    assert "data" not in third


def test_our_own_types_come_in_binary_mode_too(api: Served) -> None:
    """A model call whose attributes are headers is the same event as in the structured form."""
    sent = call()
    named = ("specversion", "id", "source", "type", "time")
    headers = {f"ce-{name}": sent[name] for name in named} | {"Content-Type": "application/json; charset=utf-8"}
    assert post(api, sent["data"], headers).status_code == 202
    assert post(api, sent, ONE).json()["status"] == "duplicate"
    assert [from_mapping(each) for each in logged(api)] == [from_mapping(sent)]


@pytest.mark.parametrize("content_type", ["application/json", "application/cloudevents+xml", "text/plain", ""])
def test_another_content_type_is_told_what_to_send(api: Served, content_type: str) -> None:
    """415 names what is taken."""
    found = problem(post(api, envelope(), {"Content-Type": content_type}), 415)
    assert "application/cloudevents+json" in found["detail"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", ONE, 400),
        (b"", ONE, 400),
        (b"{}", MANY, 400),
        (b"[" * 100_000, MANY, 400),
        (b"not gzip", ONE | {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"{}" * 5000)[:-9], ONE | {"Content-Encoding": "gzip"}, 400),
        (b"{}", ONE | {"Content-Encoding": "br"}, 415),
        (b"[" + b"1," * 10_001 + b"1]", MANY, 413),
        (b" " * (MOST_BYTES + 1), ONE, 413),
        (gzip.compress(b" " * (MOST_BYTES + 1)), ONE | {"Content-Encoding": "gzip"}, 413),
    ],
    ids=["no json", "nothing", "no array", "deep", "no gzip", "cut", "encoding", "many", "large", "inflates"],
)
def test_an_unreadable_body_is_a_problem(api: Served, body: bytes, headers: dict[str, str], status: int) -> None:
    """Each says what was expected; none is a fault of ours."""
    assert "expected" in problem(post(api, body, headers), status)["detail"]


def test_gzip_is_unpacked(api: Served) -> None:
    """A packed batch arrives, in one member or in several."""
    half = orjson.dumps([envelope(id="a"), envelope(id="b")])
    packed = gzip.compress(half[:20]) + gzip.compress(half[20:])
    assert post(api, packed, MANY | {"Content-Encoding": "gzip"}).status_code == 202
    assert [each["id"] for each in logged(api)] == ["a", "b"]


def test_a_failure_over_http_opens_an_incident(api: Served) -> None:
    """The ledger hears of it as if it had come by the bus."""
    assert post(api, [to_mapping(failed_event(0)), call()], MANY).status_code == 202
    assert api.scene.incident.size == 1


def test_a_full_log_is_503_and_still_takes_failures(api: Served) -> None:
    """Telemetry is told when to come again; a failure of the same batch is accepted; a repeat makes nothing twice."""
    api.scene.log = FullLog()
    answer = post(_again(api), [to_mapping(failed_event(0)), call()], MANY)
    found = problem(answer, 503)
    assert answer.headers["Retry-After"] == "3"
    assert [each["status"] for each in found["events"]] == ["accepted", "full"]
    assert problem(post(api, call(), ONE), 503)
    assert api.scene.incident.size == 1


def test_a_log_that_is_away_is_503(api: Served) -> None:
    """Nothing was accepted; the caller is told to come again."""
    api.scene.log = AwayLog()
    answer = post(_again(api), call(), ONE)
    assert problem(answer, 503)
    assert answer.headers["Retry-After"]


def _again(api: Served) -> Served:
    """Have the scene's present log behind the API."""
    return api.again()


def test_the_token_is_asked_for(guarded: Served) -> None:
    """Without the API's token nothing is taken in."""
    assert problem(post(guarded, envelope(), ONE), 401)
    assert post(guarded, envelope(), ONE | {"Authorization": "Bearer s3cret"}).status_code == 202


def test_it_is_in_the_openapi_document(api: Served) -> None:
    """What is taken and what is answered can be looked up."""
    told = api.ask("GET", "/openapi.json").json()["paths"]["/v1/events"]["post"]
    assert set(told["requestBody"]["content"]) >= {ONE["Content-Type"], MANY["Content-Type"]}
    assert {"200", "202", "207", "400", "413", "415", "503"} <= set(told["responses"])


def deep(levels: int) -> object:
    """Nest so deeply."""
    value: object = 1
    for _ in range(levels):
        value = {"a": value}
    return value


DEEP = st.integers(240, 600).map(deep)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | DEEP,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = ["specversion", "id", "source", "type", "time", "subject", "data", "data_base64", "datacontenttype"]
TYPED = st.sampled_from([LLM_CALL, SPAN_ENDED, TASK_FAILED, "com.example.thing"])
ENVELOPES = st.builds(
    lambda right, wrong, kind: envelope(type=kind, **right) | wrong,
    st.fixed_dictionaries({}, optional={"time": st.just("2026-11-20T12:00:00Z"), "data": JSON}),
    st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=6), JSON, max_size=3),
    TYPED,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(ENVELOPES | JSON, max_size=4))
def test_no_random_batch_is_a_fault_of_ours(api: Served, batch: list[Any]) -> None:
    """Whatever comes, each event is answered for, and each that is refused has its field and what was expected."""
    answer = post(api, batch, MANY)
    assert answer.status_code in {200, 202, 207, 400}, answer.text
    if answer.status_code == 400:
        problem(answer)
    told = answer.json()["events"]
    assert len(told) == len(batch)
    for index, each in enumerate(told):
        assert each["status"] in {"accepted", "duplicate", "refused"}
        assert all(error["field"].startswith(f"/{index}") for error in each.get("errors", ()))
        assert (each["status"] == "refused") == bool(each.get("errors"))


HEADERS = st.dictionaries(
    st.sampled_from([f"ce-{name}" for name in NAMES] + ["content-type", "content-encoding", "ce-x y", "ce-"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12).map(str.strip),
    max_size=4,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed=HEADERS, body=st.binary(max_size=30) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_random_binary_event_is_a_fault_of_ours(api: Served, changed: dict[str, str], body: bytes) -> None:
    """Whatever headers and bytes come: accepted, or a problem that says why."""
    headers = {**BOUND, **{name: value for name, value in changed.items() if " " not in name}}
    answer = post(api, body, headers)
    if answer.status_code not in {200, 202}:
        assert problem(answer, answer.status_code)["errors"]
        assert answer.status_code in {400, 415}


def test_what_the_orchestrator_alone_makes_comes_from_nobody_else(api: Served) -> None:
    """Each is refused by its type, however right its data is, and takes no other event with it; the log has none."""
    forged = [to_mapping(each) for each in own_samples()]
    answer = post(api, [*forged, envelope()], MANY)
    assert answer.status_code == 207
    *refused, taken = answer.json()["events"]
    assert [[error["field"] for error in each["errors"]] for each in refused] == [
        [f"/{place}/type"] for place in range(len(forged))
    ]
    assert taken["status"] == "accepted"
    assert [each["type"] for each in logged(api)] == ["com.example.thing"]


def test_an_audit_s_entry_that_somebody_posts_raises_no_alarm(api: Served) -> None:
    """The chain is held to what the log has of it, and nobody can put another entry there."""
    requests.put(f"{api.url}/api/v1/mode", json={"mode": "paused", "reason": "a deploy"}, timeout=30)
    OutboxCopier(api.scene.ledger, api.scene.log).run_once()
    before = requests.get(f"{api.url}/api/v1/audit/verify", timeout=30).json()
    (one,) = [each for each in own_samples() if each.type == AUDIT_RECORDED]
    found = problem(post(api, to_mapping(replace(one, data={**one.data, "seq": 99})), ONE))
    assert "the orchestrator alone" in found["detail"]
    after = requests.get(f"{api.url}/api/v1/audit/verify", timeout=30).json()
    assert before["exported"]
    assert (after, after["holds"]) == (before, True)
