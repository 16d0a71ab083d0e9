"""A failure is told whatever its message holds: as it came, or without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema_rs
import orjson
import pytest
from kombu.message import Message

from eventbus import publisher as publisher_module
from eventbus import wire
from eventbus.declaration import Declarations
from eventbus.departing import Departing
from eventbus.publisher import Publisher
from eventbus.reporter import Reporter
from eventbus.run import End, Run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from eventbus.letters import Letter

HALF = "\ud800"


class Leaving(Publisher):
    """A publisher that shows what would leave."""

    def __init__(self, folder: Path) -> None:
        super().__init__("memory://", folder)
        self.letters: list[Letter] = []

    def _put(self, letter: Letter, *, urgent: bool) -> None:  # noqa: ARG002 - as it is called
        self.letters.append(letter)


@pytest.fixture
def told(tmp_path: Path) -> Callable[[Run], dict[str, Any]]:
    """Tell of a run that failed, and give the data of the event that leaves."""
    publisher = Leaving(tmp_path)
    reporter = Reporter(publisher, Declarations(), Departing.of_worker(tmp_path, environ={}))

    def tell(run: Run) -> dict[str, Any]:
        reporter.failed(run, End("exception", ValueError("no")))
        (letter,) = publisher.letters
        data: dict[str, Any] = orjson.loads(letter.body)["data"]
        schema = orjson.loads(wire.schema_text(wire.TASK_FAILED))
        jsonschema_rs.validator_for(schema, validate_formats=True).validate(data)
        return data

    return tell


def run_of(body: bytes = b"{no", queue: str = "celery", **headers: Any) -> Run:
    """Read a message that Celery makes no request of."""
    headers = {"id": "t-1", "task": "tasks.add", **headers}
    return Run.of_message(Message(body, headers=headers, content_type="application/json"), queue, "celery@here")


@pytest.mark.parametrize("value", [1 << 70, [-(1 << 70)], {"deep": {"half": HALF}}, {HALF: 1}, HALF])
def test_what_a_sender_may_write_in_a_header_hides_no_failure(
    told: Callable[[Run], dict[str, Any]], value: object
) -> None:
    """The message leaves with it, as near to it as JSON comes."""
    data = told(run_of(odd=value))
    assert data["message"]["headers"]["odd"] == wire.freeze(value)
    assert not data["message"].get("missing")


def test_names_and_ids_are_told_as_far_as_they_can_be(told: Callable[[Run], dict[str, Any]]) -> None:
    """Halves of characters are question marks, and the id of the failure is that of the id that is told."""
    data = told(run_of(id=f"t{HALF}", task=HALF, queue=HALF))
    assert (data["task_id"], data["task"], data["message"]["queue"]) == ("t?", "?", "?")
    assert data["failure_id"] == str(wire.failure_id("t?", 0, None))


@pytest.mark.parametrize("retries", ["three", -1, 1 << 70, [], True])
def test_what_is_no_count_of_retries_counts_as_none(told: Callable[[Run], dict[str, Any]], retries: object) -> None:
    """A message that breaks Celery's protocol is an event that fits its schema."""
    assert told(run_of(retries=retries))["retries"] == 0


def test_a_message_without_an_id_is_named_whatever_it_holds(told: Callable[[Run], dict[str, Any]]) -> None:
    """The id is made of its headers, which may hold anything."""
    assert told(run_of(id=None, odd=1 << 70, half={HALF: HALF}, queue=HALF))["task_id"]


def test_a_header_that_no_event_can_hold_costs_the_message_alone(told: Callable[[Run], dict[str, Any]]) -> None:
    """Whatever a transport of somebody's own hands over: the failure is told."""
    data = told(run_of(odd=object()))
    assert (data["task_id"], data["message"]["missing"]) == ("t-1", True)


def test_a_message_that_is_too_large_to_leave_costs_itself_alone(
    told: Callable[[Run], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers are stored nowhere else, as bodies are."""
    monkeypatch.setattr(publisher_module, "MAX_EVENT_BYTES", 10_000)
    data = told(run_of(large="x" * 10_000))
    assert (data["task_id"], data["message"]["missing"], data["message"]["queue"]) == ("t-1", True, "celery")
