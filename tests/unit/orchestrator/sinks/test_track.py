"""Our encoder of RudderStack messages makes what the SDK's own builder makes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from eventbus.wire import (
    ALERT_CHANGED,
    ATTEMPT_ENDED,
    ATTEMPT_RECORDED,
    AUDIT_RECORDED,
    CIRCUIT_CHANGED,
    DEPENDENCY_CHANGED,
    GOVERNANCE_RECORDED,
    INCIDENT_CLOSED,
    INCIDENT_OPENED,
    INCIDENT_PLANNED,
    LLM_CALL,
    LOADTEST_COMPLETED,
    PROMPT_SIMILARITY,
    RELEASE_ENDED,
    RUDDERSTACK_MESSAGE,
    SPAN_ENDED,
    TASK_FAILED,
)
from orchestrator.domain.events import EventRecord, Price, PricingStatus
from orchestrator.sinks.messages import TYPES, write
from orchestrator.sinks.track import CALLS
from orchestrator.sinks.unfit import Unfit
from tests.events import CALL, NOON, event, record

FAILED = {
    "failure_id": "f-1",
    "task_id": "t-1",
    "task": "app.summarise",
    "retries": 0,
    "attempt_id": None,
    "captured": "exception",
    "exception": {
        "type": "builtins.ConnectionError",
        "message": "the prompt",
        "traceback": "the prompt",
        "status": 503,
    },
    "declaration": {"dependency": "openai", "idempotent": True},
    "message": {"body": "dGhlIHByb21wdA==", "headers": {"argsrepr": "the prompt"}},
    "worker": "w",
    "occurred_at": NOON.isoformat(),
}
PROMPT = {"prompt_hash": "ab" * 16, "blocked": False, "sketch": {"key": "0a1b2c3d", "gram": 4, "counts": [1] * 512}}
SPAN = {"name": "retrieve", "trace_id": "ab" * 16, "duration_seconds": 0.5, "status": "ok", "attributes": {"n": 1}}
INCIDENT = {"incident_id": "i-1", "kind": "transient", "size": 1}
SAMPLES: dict[str, dict[str, Any]] = {
    LLM_CALL: CALL,
    PROMPT_SIMILARITY: PROMPT,
    SPAN_ENDED: SPAN,
    GOVERNANCE_RECORDED: {"event_type": "pii.found", "policy": "p", "action": "redacted", "details": {}},
    TASK_FAILED: FAILED,
    INCIDENT_OPENED: INCIDENT,
    INCIDENT_PLANNED: INCIDENT,
    INCIDENT_CLOSED: INCIDENT,
    ATTEMPT_RECORDED: {"attempt_id": "a-1", "task_id": "t-1"},
    ATTEMPT_ENDED: {"attempt_id": "a-1", "task_id": "t-1", "outcome": "succeeded"},
    AUDIT_RECORDED: {
        "seq": 1,
        "actor": "ann",
        "verb": "hold",
        "dependency": "model",
        "former": "0" * 64,
        "hash": "ab" * 32,
    },
    ALERT_CHANGED: {"alert_id": "l-1", "action": "trigger", "level": 1, "title": "[ERROR] model"},
    CIRCUIT_CHANGED: {"circuit": "otlp/telemetry", "state": "open", "before": "closed", "reason": "503"},
    DEPENDENCY_CHANGED: {"dependency": "model", "health": "down", "before": "healthy", "reason": "so"},
    LOADTEST_COMPLETED: {"run_id": "20261129T023000Z-smoke-3fa9c1", "outcome": "passed", "exit_code": 0},
    RELEASE_ENDED: {"release_id": "r-1", "incident_id": "i-1", "first_attempts": 1, "first_successes": 1},
}


def track(made: EventRecord) -> dict[str, Any]:
    """Give the message of an event as it is written."""
    message: dict[str, Any] = json.loads(write(made).body)
    return message


def built_by_the_sdk(ours: dict[str, Any], made: EventRecord) -> dict[str, Any]:
    """Build the same call with the SDK's client, which sends nothing."""
    from rudderstack.analytics import Client  # noqa: PLC0415 - once the sink has imported it, safely

    context = {name: value for name, value in ours["context"].items() if name != "library"}
    arguments = {"user_id": ours["userId"], "anonymous_id": ours["anonymousId"], "event": ours["event"]}
    queued, message = Client("key", send=False).track(
        **arguments, properties=ours["properties"], context=context, timestamp=made.time, message_id=made.key
    )
    assert queued
    result: dict[str, Any] = message
    return result


@pytest.mark.parametrize("event_type", sorted(CALLS))
@pytest.mark.parametrize("who", [{}, {"user_id": "ann", "organization_id": "acme"}])
def test_a_message_is_what_the_sdk_would_build(event_type: str, who: dict[str, str]) -> None:
    """For every type of event, with a user and without: the same keys and values, library and version included."""
    made = record(event(event_type, SAMPLES[event_type] | who))
    ours = track(made)
    theirs = built_by_the_sdk(ours, made)
    assert ours == theirs
    assert json.dumps(ours, sort_keys=True) == json.dumps(theirs, sort_keys=True)


def test_the_message_id_is_the_row_key() -> None:
    """The same event always has the same messageId: its id where that is a UUID, else one made of source and id."""
    made = record(event(event_id="not-a-uuid"))
    assert track(made)["messageId"] == str(made.key) == track(made)["messageId"]


@pytest.mark.parametrize(
    ("change", "user", "anonymous"),
    [
        ({}, None, "w-1"),
        ({"user_id": "ann"}, "ann", None),
        ({"user_id": 7}, "7", None),
        ({"workflow_execution_id": None}, None, "r-1"),
        ({"workflow_execution_id": "", "request_id": None, "agent_id": None}, None, "t-1"),
    ],
)
def test_who_it_is_about(change: dict[str, Any], user: str | None, anonymous: str | None) -> None:
    """A known user is the userId; else what the event is about is the anonymousId, a blank one is none."""
    message = track(record(event(LLM_CALL, CALL | change)))
    assert (message["userId"], message["anonymousId"]) == (user, anonymous)


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_a_blank_user_is_wrong_and_named(blank: str) -> None:
    """The gateway takes a blank id for none, so the event is about nobody that was meant: its field is told."""
    with pytest.raises(Unfit, match="blank") as told:
        track(record(event(LLM_CALL, CALL | {"user_id": blank})))
    assert told.value.field == "data.user_id"


def test_events_about_nobody_are_about_themselves() -> None:
    """Never one id for all: the gateway keeps the order of each user, and would put everything in one line."""
    one, two = record(event(LLM_CALL, {})), record(event(LLM_CALL, {}))
    assert [track(one)["anonymousId"], track(two)["anonymousId"]] == [str(one.key), str(two.key)]


def test_a_failure_leaves_its_message_and_texts_at_home() -> None:
    """The task's arguments, the error's text and its traceback may hold prompts or secrets: they are not sent."""
    message = track(record(event(TASK_FAILED, FAILED)))
    assert "prompt" not in json.dumps(message)
    assert "dGhl" not in json.dumps(message)
    assert message["properties"]["exception_type"] == "builtins.ConnectionError"
    assert message["properties"]["dependency"] == "openai"


def test_a_sketch_stays_at_home() -> None:
    """Of a prompt its hash is sent, and never its sketch."""
    sent = track(record(event(PROMPT_SIMILARITY, PROMPT)))["properties"]
    assert sent == {"prompt_hash": "ab" * 16, "blocked": False}


def test_a_cost_is_exact_and_a_missing_one_is_none() -> None:
    """The price goes as text with ten decimals; a model without a price has None and says so."""
    sent = track(record())["properties"]
    assert sent["gen_ai.usage.cost.amount"] == "0.0007500000"
    assert sent["gen_ai.usage.cost.currency"] == "USD"
    missing = track(record(price=Price(PricingStatus.MISSING, None, "v1")))["properties"]
    assert (missing["gen_ai.usage.cost.amount"], missing["pricing_status"]) == (None, "missing")


def test_bytes_without_data_are_told() -> None:
    """A record whose body is no event is a ValueError, which the sink turns into a dead letter."""
    made = record()
    for body in (b"not json", b"[]", b'{"data": 1}', b'{"data": {"x": NaN}}', b"[" * 100_000):
        broken = EventRecord(made.key, made.id, made.source, made.type, made.time, made.lane, body)
        with pytest.raises(ValueError, match=r"."):
            track(broken)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"data": {"task_id": "t", "x": {"y": [1, NaN]}}}', "data.x.y[1]"),
        (b'{"data": {"x": -Infinity}}', "data.x"),
        (b'{"data": {"task_id": "t", "note": "%s"}}' % (b"x" * 4_100_000), "data.note"),
        (b'{"data": {"task_id": "t", "in": {"a": 1, "deep": "%s"}}}' % (b"x" * 4_100_000), "data.in.deep"),
        (b'{"data": {"many": [%s]}}' % b",".join([b'"x"'] * 1_100_000), "data.many"),
        (b'{"data": []}', "data"),
    ],
)
def test_what_the_gateway_would_refuse_is_named_before_it_is_sent(body: bytes, field: str) -> None:
    """A number that JSON cannot hold, and a message that is too large, are told by their field."""
    made = record()
    with pytest.raises(Unfit) as told:
        track(EventRecord(made.key, made.id, made.source, made.type, made.time, made.lane, body))
    assert told.value.field == field


PASSED = {"type": "identify", "userId": "ann", "messageId": "theirs-1", "traits": {"plan": "free"}, "sentAt": "so"}


@pytest.mark.parametrize("kind", ["alias", "group", "identify", "page", "screen", "track"])
def test_a_message_in_rudderstacks_own_form_goes_on_as_it_came(kind: str) -> None:
    """Every kind of call keeps its own messageId and each of its keys."""
    assert track(record(event(RUDDERSTACK_MESSAGE, PASSED | {"type": kind}))) == PASSED | {"type": kind}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"userId": " "}, "data.userId"),
        ({"userId": None}, "data.userId"),
        ({"userId": {"no": "id"}}, "data.userId"),
        ({"userId": True}, "data.userId"),
        ({"type": "shout"}, "data.type"),
        ({"type": ["track"]}, "data.type"),
        ({"type": None}, "data.type"),
        ({"context": "none"}, "data.context"),
    ],
)
def test_a_message_of_their_form_is_checked_too(change: dict[str, Any], field: str) -> None:
    """What the gateway refuses of it is told by its field; a blank userId beside an anonymousId is not refused."""
    with pytest.raises(Unfit) as told:
        track(record(event(RUDDERSTACK_MESSAGE, PASSED | change)))
    assert told.value.field == field
    if change.get("userId", 0) in (" ", None):
        track(record(event(RUDDERSTACK_MESSAGE, PASSED | change | {"anonymousId": "a"})))


@pytest.mark.parametrize("number", [0, 7, 1.5])
def test_a_number_is_an_id(number: float) -> None:
    """Applications number their users; the first one has one too."""
    assert track(record(event(RUDDERSTACK_MESSAGE, PASSED | {"userId": number})))["userId"] == number


def test_the_documentation_has_a_row_for_each_call() -> None:
    """The page docs/rudderstack.md names every event that is sent, its call, and whom it is about, and no other."""
    lines = (Path(__file__).parents[4] / "docs" / "rudderstack.md").read_text().splitlines()
    told = {line.split("`")[1]: line for line in lines if line.startswith("| `redrive.")}
    assert told.keys() == TYPES
    assert {*CALLS, RUDDERSTACK_MESSAGE} == TYPES
    for event_type, call in CALLS.items():
        assert f"`{call.event}`" in told[event_type]
        assert "`user_id`, else " + ", ".join(f"`{subject}`" for subject in call.subjects) in told[event_type]


def test_importing_the_sink_reads_no_stray_dotenv(tmp_path: Path) -> None:
    """A `.env` where the SDK would look for one stays unread, and nothing of the guard stays in the environment."""
    (tmp_path / ".env").write_text("STRAY=read\n")
    code = (
        "import os, orchestrator.sinks.rudderstack as sink\n"
        "assert sink.sdk.sdk.post\n"
        "print(os.environ.get('STRAY'), os.environ.get('PYTHON_DOTENV_DISABLED'))"
    )
    environ = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["None", "None"]
