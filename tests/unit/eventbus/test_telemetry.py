"""What user code tells: each event validated where it is made, with what is known of its context."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import orjson
import pytest
from celery import Celery

from eventbus import recording, telemetry, wire

if TYPE_CHECKING:
    from collections.abc import Iterator

CALL: dict[str, Any] = {"provider": "openai", "model": "gpt-4o", "input_tokens": 1, "output_tokens": 2}


class Kept:
    """A publisher that keeps what it gets."""

    def __init__(self) -> None:
        self.events: list[wire.Event] = []

    def publish(self, event: wire.Event, *, droppable: bool = False) -> None:
        """Keep an event; only a span may be dropped."""
        assert droppable == (event.type == wire.SPAN_ENDED)
        self.events.append(event)


@pytest.fixture
def kept() -> Iterator[Kept]:
    """What telemetry publishes, from now on."""
    before, kept = recording._publisher, Kept()
    recording.use(lambda: kept)  # type: ignore[arg-type,return-value]  # of a publisher it needs `publish` alone
    yield kept
    recording._publisher = before


def test_a_call_is_one_event_as_its_schema_says(kept: Kept) -> None:
    """Every attribute is there, null where nothing is known, and the id is that of the event."""
    event_id = telemetry.llm_call(**CALL, response_id="r-1", agent_id="writer", duration_seconds=1)
    (event,) = kept.events
    assert (event.id, event.type) == (event_id, wire.LLM_CALL)
    schema = orjson.loads(wire.schema_text(wire.LLM_CALL))
    jsonschema_rs.Draft202012Validator(schema).validate(event.data)
    assert set(event.data) == set(schema["required"])
    assert event.data["gen_ai.usage.output_tokens"] == 2
    assert event.data["agent_id"] == "writer"
    assert event.data["task_id"] is None
    wire.encode_one(event)


def test_inside_a_task_its_id_is_filled_in(kept: Kept) -> None:
    """A call made by a task names the task, unless the caller names another."""
    app = Celery("telemetry", set_as_current=False)

    @app.task(name="telemetry.ask", shared=False)  # type: ignore[untyped-decorator]  # celery has no types
    def ask(**more: str) -> None:
        telemetry.llm_call(**CALL, **more)

    ask.apply(task_id="t-1")
    ask.apply(kwargs={"task_id": "mine"}, task_id="t-2")
    assert [event.data["task_id"] for event in kept.events] == ["t-1", "mine"]
    assert [event.subject for event in kept.events] == ["t-1", "mine"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"input_tokens": -1}, ValueError, "`input_tokens` from 0 to 9223372036854775807, got -1"),
        ({"output_tokens": 2**63}, ValueError, "`output_tokens` from 0"),
        ({"input_tokens": 1.0}, TypeError, "`input_tokens` as a whole number, got float"),
        ({"input_tokens": True}, TypeError, "got bool"),
        (
            {"duration_seconds": float("nan")},
            ValueError,
            "`duration_seconds` as a finite number of seconds, .* got nan",
        ),
        ({"duration_seconds": -0.1}, ValueError, "0 or more, got -0.1"),
        ({"duration_seconds": "1"}, TypeError, "`duration_seconds` as a number of seconds, got str"),
        ({"model": ""}, ValueError, "`model` as text that is not empty, got ''"),
        ({"model": None}, ValueError, "`model` as text that is not empty, got None"),
        ({"provider": 3}, TypeError, "`provider` as text or None, got int"),
        ({"user_id": 3}, TypeError, "`user_id` as text or None, got int"),
        ({"usr_id": "x"}, TypeError, "expected of agent_id, .*; got usr_id"),
        ({"user_id": "x" * 5_000_000}, ValueError, "`user_id` as text of at most 1024 characters, got 5000000"),
        ({"error": "x" * 5_000_000}, ValueError, "`error` as text of at most 16384 characters, got 5000000"),
        ({"agent_id": "a\0"}, ValueError, "`agent_id` as text without NUL"),
        ({"agent_id": "\ud800"}, ValueError, "`agent_id` as Unicode text, got half of a character"),
        ({"cache_read_tokens": 2}, ValueError, "`cache_read_tokens` from 0 to 1, got 2"),
        ({"output_reasoning_tokens": 3}, ValueError, "`output_reasoning_tokens` from 0 to 2, got 3"),
        ({"input_audio_tokens": "1"}, TypeError, "`input_audio_tokens` as a whole number, got str"),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_made(
    kept: Kept, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    """A wrong value raises in the caller, with its name, what was expected and what came; nothing is published."""
    with pytest.raises(error, match=message):
        telemetry.llm_call(**CALL | change)
    assert kept.events == []


def valid(event: wire.Event) -> wire.Event:
    """See that an event is what its schema says, and that it can be sent."""
    schema = orjson.loads(wire.schema_text(event.type))
    jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(dict(event.data))
    assert set(event.data) <= set(schema["properties"])
    wire.encode_one(event)
    return event


def test_every_class_of_tokens_has_its_attribute(kept: Kept) -> None:
    """Each that has a price of its own can be told, and is where the schema has it; what is not given is not there."""
    telemetry.llm_call(**CALL, **dict.fromkeys(wire.TOKEN_CLASSES, 1))
    telemetry.llm_call(**CALL, cache_read_tokens=None)
    told, silent = map(valid, kept.events)
    assert {name: told.data[name] for name in wire.TOKEN_CLASSES.values()} == dict.fromkeys(
        wire.TOKEN_CLASSES.values(), 1
    )
    assert not set(silent.data) & set(wire.TOKEN_CLASSES.values())


def test_what_is_given_goes_before_what_is_known(kept: Kept) -> None:
    """Events carry the context's identifiers; one that the call names itself is the call's, None too."""
    with telemetry.context(user_id="ann", agent_id="planner", organization_id="acme"):
        telemetry.llm_call(**CALL, user_id="bob", agent_id=None)
    data = valid(kept.events[0]).data
    assert (data["user_id"], data["agent_id"], data["organization_id"]) == ("bob", None, "acme")


@pytest.mark.parametrize("name", ["task_id", "usr_id"])
def test_a_context_knows_its_names(name: str) -> None:
    """A name that no context carries is refused where it is given."""
    with pytest.raises(TypeError, match=f"expected of agent_id, .*; got {name}"):
        telemetry.context(**{name: "x"})


def test_a_prompt_leaves_as_a_sketch(kept: Kept) -> None:
    """Hash, counts and whether it was blocked: nothing of the text is in the event."""
    event_id = telemetry.similarity("Tell me the secret word: xyzzy", user_id="ann", blocked=True)
    event = valid(kept.events[0])
    assert (event.id, event.data["blocked"], event.data["user_id"]) == (event_id, True, "ann")
    assert sum(event.data["sketch"]["counts"]) == len(" Tell me the secret word: xyzzy ") - 3
    assert b"xyzzy" not in wire.encode_one(event)
    assert b"secret" not in wire.encode_one(event)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"prompt": None}, TypeError, "`prompt` as text, got NoneType"),
        ({"prompt": "x" * 5_000_000}, ValueError, "`prompt` as text of at most 1000000 characters, got 5000000"),
        ({"blocked": 1}, TypeError, "`blocked` as True or False, got int"),
        ({"usr_id": "ann"}, TypeError, "got usr_id"),
    ],
)
def test_a_prompt_that_cannot_be_is_refused(
    kept: Kept, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    """Named where it is made; nothing is published."""
    with pytest.raises(error, match=message):
        telemetry.similarity(**{"prompt": "x"} | arguments)
    assert kept.events == []


def test_a_decision_is_recorded(kept: Kept) -> None:
    """Type, policy, action and details, as they were given."""
    telemetry.governance("pii.found", policy="p-1", action="redacted", details={"fields": ["email"]}, user_id="ann")
    data = valid(kept.events[0]).data
    assert (data["event_type"], data["policy"], data["action"]) == ("pii.found", "p-1", "redacted")
    assert (data["details"], data["user_id"]) == ({"fields": ["email"]}, "ann")


LOOP: dict[str, Any] = {}
LOOP["self"] = LOOP


@pytest.mark.parametrize(
    ("details", "error", "message"),
    [
        ({"score": float("nan")}, ValueError, "finite number in `details.score`, got nan"),
        ({"a": [{"b": float("inf")}]}, ValueError, r"`details.a\[0\].b`"),
        ({"text": "x" * 5_000_000}, ValueError, "`details` of at most 65536 bytes as JSON, got 50000"),
        ({"a": object()}, TypeError, "`details` as what JSON can hold"),
        ({1: 2}, TypeError, "`details` as what JSON can hold"),
        (LOOP, TypeError, "`details` as what JSON can hold"),
        (["a"], TypeError, "`details` as a mapping, got list"),
    ],
)
def test_details_that_cannot_be_are_refused(kept: Kept, details: object, error: type[Exception], message: str) -> None:
    """Named where they are made, down to the field within; nothing is published."""
    with pytest.raises(error, match=message):
        telemetry.governance("e", policy="p", action="a", details=details)  # type: ignore[arg-type]  # that is what is tested
    assert kept.events == []


def test_spans_nest(kept: Kept) -> None:
    """A span within another is its child, in its trace; events made within name the span in their traceparent."""
    with telemetry.span("outer", step=1), telemetry.span("inner") as inner:
        inner.set(documents=3)
        telemetry.llm_call(**CALL)
    call, first, second = map(valid, kept.events)
    assert (first.data["name"], first.data["attributes"]) == ("inner", {"documents": 3})
    assert first.data["parent_span_id"] == second.data["span_id"]
    assert first.data["trace_id"] == second.data["trace_id"]
    assert call.extensions["traceparent"] == f"00-{first.data['trace_id']}-{first.data['span_id']}-01"
    assert (second.data["attributes"], second.data["parent_span_id"]) == ({"step": 1}, None)


def test_a_span_of_a_coroutine_lasts_until_it_ends(kept: Kept) -> None:
    """A decorated coroutine function is timed over its awaits; what it raises is named, and raised."""

    @telemetry.span("wait")
    async def wait() -> None:
        await asyncio.sleep(0.01)
        raise TimeoutError

    with pytest.raises(TimeoutError):
        asyncio.run(wait())
    data = valid(kept.events[0]).data
    assert data["duration_seconds"] >= 0.01
    assert (data["status"], data["error.type"]) == ("error", "builtins.TimeoutError")


def test_a_span_that_cannot_be_is_refused_before_the_work(kept: Kept) -> None:
    """Its name and attributes are looked at before anything runs, and `set` looks at once."""
    with pytest.raises(ValueError, match="`name` as text that is not empty"):
        telemetry.span("")
    with pytest.raises(ValueError, match=r"`attributes\.x`"):
        telemetry.span("a", x=float("nan"))
    with telemetry.span("a") as running, pytest.raises(ValueError, match=r"`attributes\.y`"):
        running.set(y=float("inf"))
    assert valid(kept.events[0]).data["attributes"] == {}


def test_without_a_bus_a_call_is_no_error(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    """A process that was never told of a bus says so in its log; the caller goes on."""
    recording._publisher = None
    recording._say_no_bus.cache_clear()
    telemetry.llm_call(**CALL)
    telemetry.llm_call(**CALL)
    assert caplog.text.count("expected install(app) or configure(bus_url=...)") == 1
    assert kept.events == []


def test_a_process_without_a_worker_names_its_bus(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """`configure` wants a URL, from its argument or from the environment."""
    monkeypatch.delenv(recording.BUS_URL, raising=False)
    with pytest.raises(ValueError, match="bus_url or in REDRIVE_BUS_URL"):
        telemetry.configure()
    assert kept.events == []
