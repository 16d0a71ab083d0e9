"""The cost of a call: one event, validated where it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema_rs
import orjson
import pytest
from celery import Celery

from eventbus import telemetry, wire

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
    before, kept = telemetry._publisher, Kept()
    telemetry.use(lambda: kept)  # type: ignore[arg-type,return-value]  # of a publisher it needs `publish` alone
    yield kept
    telemetry._publisher = before


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

    @app.task(name="telemetry.ask")  # type: ignore[untyped-decorator]  # celery has no types
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
    ],
)
def test_what_cannot_be_is_refused_where_it_is_made(
    kept: Kept, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    """A wrong value raises in the caller, with its name, what was expected and what came; nothing is published."""
    with pytest.raises(error, match=message):
        telemetry.llm_call(**CALL | change)
    assert kept.events == []


def test_without_a_bus_a_call_is_no_error(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    """A process that was never told of a bus says so in its log; the caller goes on."""
    telemetry._publisher = None
    telemetry._say_no_bus.cache_clear()
    telemetry.llm_call(**CALL)
    telemetry.llm_call(**CALL)
    assert caplog.text.count("expected install(app) or configure(bus_url=...)") == 1
    assert kept.events == []


def test_a_process_without_a_worker_names_its_bus(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """`configure` wants a URL, from its argument or from the environment."""
    monkeypatch.delenv(telemetry.BUS_URL, raising=False)
    with pytest.raises(ValueError, match="bus_url or in REDRIVE_BUS_URL"):
        telemetry.configure()
    assert kept.events == []
