"""The wire: what we encode is CloudEvents 1.0, old samples parse for ever, what JSON lacks is refused by name."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from eventbus import wire

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.json"))
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def event(**changes: Any) -> wire.Event:
    """Make an event that is right but for the changes."""
    attributes: dict[str, Any] = {"id": "1", "source": "urn:x", "type": "redrive.x.y.v1", "time": NOON, "data": {}}
    return wire.Event(**attributes | changes)


def envelope(**changes: Any) -> dict[str, Any]:
    """Give the JSON form of a right event, with the changes."""
    return wire.to_mapping(event()) | changes


def test_every_type_has_a_sample() -> None:
    """Each type that Redrive makes has a sample of each version, and one more (`+field`) for what was added to it."""
    assert {path.stem.partition("+")[0] for path in SAMPLES} == set(wire.TYPES)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_an_old_sample_parses_for_ever(path: Path) -> None:
    """An event of an earlier release parses, validates, holds only what its schema names, and comes back equal."""
    sample = orjson.loads(path.read_bytes())
    parsed = wire.from_mapping(sample)
    schema = orjson.loads(wire.schema_text(parsed.type))
    jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(dict(parsed.data))
    assert set(parsed.data) <= set(schema["properties"])
    assert wire.to_mapping(parsed) == sample
    assert parsed.dataschema == schema["$id"] == wire.schema_urn(parsed.type)


@pytest.mark.parametrize("event_type", sorted(wire.TYPES))
def test_every_schema_is_a_valid_schema(event_type: str) -> None:
    """Each committed schema is itself a valid JSON Schema of draft 2020-12."""
    assert jsonschema_rs.meta.is_valid(orjson.loads(wire.schema_text(event_type)))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_another_library_parses_what_we_encode(path: Path) -> None:
    """The `cloudevents` package reads our structured form, with the same attributes and data."""
    ours = wire.from_mapping(orjson.loads(path.read_bytes()))
    theirs = JSONFormat().read(None, wire.encode_one(ours))
    assert (theirs.get_id(), theirs.get_source(), theirs.get_type()) == (ours.id, ours.source, ours.type)
    assert (theirs.get_time(), theirs.get_dataschema()) == (ours.time, ours.dataschema)
    assert theirs.get_data() == ours.data


def test_a_batch_comes_back_as_it_was() -> None:
    """Decoding what was encoded gives equal events, in order."""
    batch = [event(id=str(number), extensions={"traceparent": "00-1"}, subject="s") for number in range(3)]
    assert wire.decode(wire.encode(batch)) == batch


def test_our_own_types_name_their_schema() -> None:
    """An event of a type that we make names its schema; one of another type does not."""
    assert event(type=wire.LLM_CALL).dataschema == "urn:redrive:schema:redrive.llm.call.v1"
    assert event().dataschema is None


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_refused(number: float) -> None:
    """NaN and Infinity are refused with the path of the field, though the JSON encoder would write null."""
    assert orjson.dumps(number) == b"null"
    with pytest.raises(wire.WireError, match=r"finite number in `data\.a\[1\]\.b`"):
        wire.encode([event(data={"a": [1, {"b": number}]})])


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_what_is_no_json_number_is_refused_in_a_body(number: str) -> None:
    """A body that holds what only looks like a number is refused."""
    with pytest.raises(wire.WireError, match="not JSON"):
        wire.decode(json.dumps([envelope()]).replace("{}", f'{{"a": {number}}}').encode())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"specversion": "0.3"}, "`specversion` '1.0', got '0.3'"),
        ({"id": ""}, "`id` as text"),
        ({"source": 7}, "`source` as text"),
        ({"type": None}, "`type` as text"),
        ({"subject": ""}, "`subject` as text"),
        ({"time": "yesterday"}, "`time` as RFC 3339"),
        ({"time": "2026-11-20T10:00:00"}, "`time` with an offset"),
        ({"data": [1]}, "`data` as a JSON object, got list"),
        ({"datacontenttype": "text/xml"}, "`datacontenttype` 'application/json', got 'text/xml'"),
        ({"Trace-Parent": "1"}, "a-z and 0-9 only, got 'Trace-Parent'"),
    ],
)
def test_a_malformed_record_is_refused_by_the_name_of_its_field(changes: dict[str, Any], message: str) -> None:
    """What breaks CloudEvents 1.0 is refused with the field, what was expected and what came."""
    with pytest.raises(wire.WireError, match=message):
        wire.from_mapping(envelope(**changes))


@pytest.mark.parametrize("body", [b"{}", b"nonsense", b"[1]", b""])
def test_a_body_that_is_no_batch_is_refused(body: bytes) -> None:
    """A message body that is not a JSON array of objects is refused."""
    with pytest.raises(wire.WireError, match="expected a"):
        wire.decode(body)


@pytest.mark.parametrize("data", [{"a": object()}, {"a": 2**70}, {"a": "\ud800"}, {1: 2}])
def test_data_that_json_cannot_hold_is_refused(data: dict[Any, Any]) -> None:
    """Data that has no JSON form is refused as an error of the wire, not of the encoder."""
    with pytest.raises(wire.WireError, match=r"redrive\.x\.y\.v1"):
        wire.encode_one(event(data=data))


def test_an_extension_never_replaces_a_context_attribute() -> None:
    """An extension called like a context attribute is refused."""
    with pytest.raises(wire.WireError, match=r"\['id'\]"):
        wire.encode_one(event(extensions={"id": "2"}))


def test_no_schema_for_an_unknown_type() -> None:
    """Asking for the schema of a type that has none says which have one."""
    with pytest.raises(wire.WireError, match=r"redrive\.task\.failed\.v1"):
        wire.schema_text("../../etc/passwd")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.text(), json_values, max_size=3))
def test_any_json_object_survives(data: dict[str, Any]) -> None:
    """Whatever JSON object is the data, it comes back equal."""
    try:
        body = wire.encode([event(data=data)])
    except wire.WireError as error:
        assert "\\ud" in ascii(data), error  # noqa: PT017 - only lone surrogates may be refused
    else:
        assert wire.decode(body)[0].data == data
