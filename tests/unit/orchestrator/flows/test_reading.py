"""Between events and values: what is read can be told again, and is what the worker's schema says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventbus.wire import TASK_FAILED, Event, WireError, schema_text
from orchestrator.domain.failures import Declaration, ExceptionFacts, Failure, TaskMessage
from orchestrator.flows.reading import ended_of, failure_data, failure_of
from tests.recovery import NOON, ended_event, failed_event

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=40)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, json_values, max_size=4)
failures = st.builds(
    Failure,
    id=st.uuids(),
    task_id=names,
    task=names,
    retries=st.integers(0, 100),
    attempt_id=st.none() | st.uuids(),
    exception=st.builds(
        ExceptionFacts,
        type=names,
        message=texts,
        traceback=texts,
        chain=st.lists(names, max_size=3).map(tuple),
        status=st.none() | st.integers(100, 599),
        retry_after=st.none() | st.floats(0, 1e6),
    ),
    message=st.builds(
        TaskMessage,
        body=st.binary(max_size=50),
        content_type=texts,
        content_encoding=texts,
        headers=objects,
        properties=objects,
        exchange=texts,
        routing_key=texts,
    ),
    declaration=st.builds(Declaration, st.none() | names, st.booleans()),
    occurred_at=st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the zone is given beside
    event_id=st.uuids().map(str),
    worker=texts,
)


@given(failures)
def test_what_was_read_can_be_told_again(failure: Failure) -> None:
    """The data that is made of a failure is valid, crosses the wire as JSON, and reads as the same failure."""
    data = orjson.loads(orjson.dumps(failure_data(failure)))
    jsonschema_rs.validate(orjson.loads(schema_text(TASK_FAILED)), data)
    assert failure_of(Event(failure.event_id, "urn:x", TASK_FAILED, NOON, data)) == failure


def test_an_event_is_told_again_as_it_came() -> None:
    """What a worker's event says is in the data made of its failure; what it left out is told as unknown."""
    event = failed_event(attempt_id=uuid4())
    told = failure_data(failure_of(event))
    parts = ("message", "declaration")
    assert told | event.data == told | {part: event.data[part] for part in parts}
    assert all(told[part] | event.data[part] == told[part] for part in parts)
    assert (told["redelivery"], told["started_at"], told["message"]["missing"]) == (False, None, False)


def test_the_evidence_is_named_as_the_log_names_the_event() -> None:
    """A failure leads to its event: by the event's id where that is a UUID, else by one made of source and id."""
    event = failed_event(event_id="not-a-uuid")
    other = replace(event, source="urn:redrive:another-worker")
    assert failure_of(event).event_id != failure_of(other).event_id
    named = str(uuid4())
    assert failure_of(failed_event(event_id=named)).event_id == named
    assert ended_of(ended_event(uuid4(), event_id=named)).event_id == named


def test_what_may_be_missing_may_be_missing() -> None:
    """An older worker that sends no declaration, no chain and no worker's name is understood."""
    data = dict(failed_event().data)
    del data["declaration"], data["worker"]
    data["exception"] = {"type": "a.B", "message": ""}
    read = failure_of(Event("e", "urn:x", TASK_FAILED, NOON, data))
    assert (read.declaration, read.worker) == (Declaration(), "")
    assert read.exception == ExceptionFacts("a.B", "")


def test_a_task_may_run_twice_only_when_that_is_plainly_said() -> None:
    """Nothing but a true `idempotent` declares a task idempotent."""
    for said in ("true", 1, "yes", None, []):
        event = failed_event(declaration={"dependency": None, "idempotent": said})
        assert failure_of(event).declaration.idempotent is False


def test_a_worker_s_name_is_cut_to_what_the_ledger_holds() -> None:
    """The name of a worker is for the reader: too long a one is no reason to lose a failure."""
    assert len(failure_of(failed_event(worker="w" * 1000)).worker) == 255


def test_a_skipped_run_went_well_and_did_not_run() -> None:
    """Succeeded, failed and skipped are told apart."""
    ends = {name: ended_of(ended_event(uuid4(), name)) for name in ("succeeded", "failed", "skipped")}
    assert {name: (each.succeeded, each.ran) for name, each in ends.items()} == {
        "succeeded": (True, True),
        "failed": (False, True),
        "skipped": (True, False),
    }


@pytest.mark.parametrize("declaration", [["openai"], "openai", 7, True])
def test_a_declaration_of_another_shape_is_refused(declaration: object) -> None:
    """What is no JSON object is the event's fault, said as such: it must not stop the others of its batch."""
    event = failed_event()
    with pytest.raises(WireError, match="declaration"):
        failure_of(replace(event, data={**event.data, "declaration": declaration}))
