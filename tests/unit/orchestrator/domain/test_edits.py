"""Edits: what a declaration allows, what a rule says, and where in a call a new value goes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.bus.letter import with_edits
from orchestrator.domain.edits import NOT_SHOWN, Edits, edited, edits_of, shown, why_not_editable, why_not_edited
from orchestrator.domain.errors import NotRedrivable
from orchestrator.domain.failures import Declaration
from orchestrator.domain.routes.arguments import NotReplaceable
from tests.recovery import message

if TYPE_CHECKING:
    from orchestrator.domain.failures import TaskMessage

RULES = {
    "size": {"type": "integer", "minimum": 1, "maximum": 10},
    "share": {"type": "number", "minimum": 0},
    "city": {"type": "string", "max_length": 4},
    "fast": {"type": "boolean"},
    "model": {"enum": ["small", "large", 3]},
    "odd": {"minimum": 1},
}
LINKS = {"callbacks": None, "errbacks": None, "chain": [{"task": "next"}], "chord": None}
NAMES = st.sampled_from(["a", "b", "c", "d"])


def called(args: list[Any], kwargs: dict[str, Any], **changes: Any) -> TaskMessage:
    """Make a message of this call."""
    return message(body=json.dumps([args, kwargs, LINKS]).encode(), **changes)


def call_in(made: TaskMessage) -> list[Any]:
    """Read the call again."""
    read: list[Any] = json.loads(made.body)
    return read


@pytest.mark.parametrize(
    "edits",
    [
        {"size": 1}, {"size": 10}, {"size": 3.0}, {"share": 0}, {"share": 0.5}, {"city": "Köln"}, {"fast": False},
        {"model": "small"}, {"model": 3}, {"model": 3.0}, {"size": 2, "fast": True}, {},
    ],
)  # fmt: skip
def test_what_the_rules_say_is_allowed(edits: dict[str, Any]) -> None:
    """A value that its rule allows has no reason against it; bounds are allowed themselves."""
    assert why_not_editable({"edit": RULES}, edits) is None


@pytest.mark.parametrize(
    ("edits", "why"),
    [
        ({"other": 1}, "allows to be edited, which are only city, fast, model, odd, share, size, got 'other'"),
        ({"size": 0}, "expected size as a number from 1 and up to 10, got 0"),
        ({"size": 11}, "expected size as a number from 1 and up to 10, got 11"),
        ({"size": True}, "expected size as an integer, got true"),
        ({"size": 1e300}, "expected size as an integer, got 1e+300"),
        ({"size": 1.5}, "expected size as an integer, got 1.5"),
        ({"size": "1"}, "expected size as an integer, got text of 1 characters"),
        ({"share": -0.1}, "expected share as a number from 0, got -0.1"),
        ({"share": float("nan")}, "expected share as a number, got NaN"),
        ({"city": "Berlin"}, "expected city as at most 4 characters, got text of 6 characters"),
        ({"city": None}, "expected city as a string, got null"),
        ({"fast": 1}, "expected fast as a boolean, got 1"),
        ({"model": "huge"}, 'expected model as one of "small", "large", 3, got text of 4 characters'),
        ({"model": ["small"]}, "expected model as one of"),
        ({"odd": 1}, "neither a type nor an enum"),
        ({"size": 2, "fast": "no"}, "expected fast as a boolean"),
    ],
)
def test_what_a_rule_does_not_say_is_refused_in_plain_words(edits: dict[str, Any], why: str) -> None:
    """The reason names the argument, what was expected and what came."""
    assert why in str(why_not_editable({"edit": RULES}, edits))


@pytest.mark.parametrize("declaration", [{}, {"edit": {}}, {"edit": None}])
def test_a_task_that_declares_nothing_allows_nothing(declaration: dict[str, Any]) -> None:
    """The reason says what to declare."""
    why = why_not_editable(declaration, {"size": 1})
    assert why is not None
    assert "which are none, got 'size'; declare it: @app.task(redrive={'edit': {'size': {'type': 'string'}}})" in why


def test_an_argument_is_replaced_where_it_was_passed() -> None:
    """By name, by position, or added by name where it was not passed; links and all else stay."""
    where = {"a": 0, "b": 1, "c": 2, "d": None}
    made = edited(called([1, 2], {"d": 4, "e": 5}), Edits({"a": 10, "c": 30, "d": 40}, where))
    assert call_in(made) == [[10, 2], {"c": 30, "d": 40, "e": 5}, LINKS]


@given(
    st.lists(st.integers(), max_size=4),
    st.dictionaries(NAMES, st.integers() | st.text(max_size=3), min_size=1),
    st.sets(NAMES),
)
def test_no_argument_is_ever_passed_twice(args: list[int], values: dict[str, Any], by_name: set[str]) -> None:
    """Whatever the call was, bound to its signature the task sees the new values, and the others as they were."""
    names = ["a", "b", "c", "d"]
    before = dict(zip(names, args, strict=False)) | {
        name: f"own {name}" for name in by_name if name not in names[: len(args)]
    }
    own = {name: value for name, value in before.items() if name not in names[: len(args)]}
    positions: dict[str, int | None] = {name: at for at, name in enumerate(names)}
    new_args, new_kwargs, _ = call_in(edited(called(list(args), own), Edits(values, positions)))
    bound = dict(zip(names, new_args, strict=False))
    assert not bound.keys() & new_kwargs.keys()
    assert bound | new_kwargs == before | values


def test_what_may_have_been_passed_by_position_is_not_passed_again() -> None:
    """Where nobody told the signature, a call with positional arguments cannot be edited, unless it names them."""
    with pytest.raises(NotReplaceable, match="whether a was passed by position"):
        edited(called([1], {}), Edits({"a": 2}))
    assert call_in(edited(called([1], {"a": 1}), Edits({"a": 2})))[:2] == [[1], {"a": 2}]
    assert call_in(edited(called([], {}), Edits({"a": 2})))[:2] == [[], {"a": 2}]


@pytest.mark.parametrize(
    ("given_message", "why"),
    [
        (message(content_type="application/x-python-serialize"), "expected a body in application/json"),
        (message(headers={}), "protocol 2"),
        (message(body=b"{"), "cannot be read"),
        (message(body=b'["text", {}, {}]'), "expected a body of args, kwargs and embed"),
    ],
)
def test_a_body_that_cannot_be_edited_says_why(given_message: TaskMessage, why: str) -> None:
    """It is asked for before anything is recorded, and refused for good when it is published."""
    edits = Edits({"a": 1}, {"a": 0})
    assert why in str(why_not_edited(given_message, edits))
    with pytest.raises(NotRedrivable, match="a cannot be edited: expected"):
        with_edits(given_message, edits)


def test_a_sealed_message_is_judged_when_it_is_opened() -> None:
    """Nobody can tell before; so nothing is said against it."""
    assert why_not_edited(message(sealed="gAAA", body=b""), Edits({"a": 1})) is None
    assert why_not_edited(message(claim={"url": "file:///x"}, body=b""), Edits({"a": 1})) is None


def test_a_value_that_json_cannot_hold_is_refused() -> None:
    """NaN would be read by nobody."""
    with pytest.raises(NotReplaceable, match="JSON values"):
        edited(called([], {}), Edits({"a": float("nan")}, {"a": 0}))


def test_what_headers_say_of_arguments_in_words_goes_where_it_is_no_longer_so() -> None:
    """Celery logs these texts; one that is true stays."""
    headers = message().headers | {"argsrepr": "(1,)", "kwargsrepr": "{'d': 4}"}
    given_message = called([1], {"d": 4}, headers=headers)
    assert "argsrepr" not in edited(given_message, Edits({"a": 2}, {"a": 0})).headers
    assert edited(given_message, Edits({"a": 2}, {"a": 0})).headers["kwargsrepr"] == "{'d': 4}"
    assert "kwargsrepr" not in edited(given_message, Edits({"d": 5}, {"d": None})).headers


def test_a_redacted_argument_that_is_replaced_needs_no_resolver() -> None:
    """What somebody gives is not filled in any more; the others still are."""
    given_message = called(["[redacted]"], {"d": "[redacted]"}, redacted=("args.0", "kwargs.d"), resolvable=True)
    assert edited(given_message, Edits({"a": 2}, {"a": 0})).redacted == ("kwargs.d",)
    assert edited(given_message, Edits({"d": 2}, {"d": None})).redacted == ("args.0",)


def test_the_message_that_is_kept_stays_as_it_was() -> None:
    """An edit makes a new message; the one in the ledger is not touched."""
    given_message = called([1], {"d": 4})
    before = given_message.body
    edited(given_message, Edits({"a": 2, "d": 5}, {"a": 0, "d": None}))
    assert given_message.body == before


def test_edits_are_shown_where_they_may_be_searched_by() -> None:
    """Other values may be secrets: of those the name alone is told."""
    assert shown({"a": 1, "b": "secret"}, ("a",)) == {"a": 1, "b": NOT_SHOWN}


def test_edits_know_where_a_declaration_says_that_arguments_stand() -> None:
    """No edits: nothing to do."""
    declaration = Declaration(positions={"a": 0})
    assert edits_of({"a": 1}, declaration) == Edits({"a": 1}, {"a": 0})
    assert edits_of({}, declaration) is None


def test_a_whole_number_goes_out_as_one_however_it_was_written() -> None:
    """A task that counts with it would fail with 3.0; a number that may have a fraction stays as it is."""
    declaration = Declaration(edit={"size": {"type": "integer"}, "share": {"type": "number"}})
    made = edits_of({"size": 3.0, "share": 3.0}, declaration)
    assert made is not None
    assert [(type(each), each) for each in made.values.values()] == [(int, 3), (float, 3.0)]


def test_a_refusal_does_not_repeat_the_text_that_it_refuses() -> None:
    """What a person typed may be a secret, and a refusal is logged and shown by others."""
    assert "hunter2" not in str(why_not_editable({"edit": {"size": {"type": "integer"}}}, {"size": "hunter2"}))
