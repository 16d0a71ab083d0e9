"""Declarations: all values for every task, and a typo is an error that says what was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery
from celery.exceptions import TimeLimitExceeded

from eventbus.declaration import DeclarationError, Declarations, Declared
from eventbus.declaration_file import VARIABLE, from_file

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = {"dependency": None, "idempotent": False, "route": [], "never": []}


class Refused(LookupError):
    """An exception of a user's own."""


def test_nothing_declared_means_no_dependency_and_not_idempotent() -> None:
    """A task that says nothing is never redriven by itself."""
    assert Declarations().of("shop.pay") == Declared(None, idempotent=False)
    assert Declarations().of("shop.pay").as_data() == NOTHING


def test_the_task_goes_before_a_pattern_and_an_earlier_pattern_before_a_later_one() -> None:
    """What is declared in several places is taken key by key from the nearest."""
    declarations = Declarations(
        {"shop.pay*": {"dependency": "bank"}},
        {"shop.*": {"dependency": "db", "idempotent": True}},
    )
    assert declarations.patterns == ("shop.pay*", "shop.*")
    assert declarations.of("shop.list") == Declared("db", idempotent=True)
    assert declarations.of("shop.pay") == Declared("bank", idempotent=True)
    assert declarations.of("shop.pay", {"idempotent": False}) == Declared("bank", idempotent=False)
    assert declarations.of("other") == Declared()


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"idempotnet": True}, r"only the keys dependency, .*; got idempotnet \(meant: idempotent\?\)"),
        ({"zebra": True}, "got zebra$"),
        ({7: True}, "got 7"),
        ({"dependency": 7}, "`dependency` as a name or None.*got 7"),
        ({"dependency": ""}, "`dependency` as a name"),
        ({"dependency": "d" * 201}, "at most 200 characters"),
        ({"idempotent": "yes"}, "`idempotent` as True or False, got 'yes'"),
        ({"never": ValueError}, "`never` as a list"),
        ({"never": ["ValueErorr"]}, r"can be imported, got 'ValueErorr' \(meant: ValueError\?\)"),
        ({"never": ["json.JSONDecodeErr"]}, r"got 'json.JSONDecodeErr' \(meant: JSONDecodeError\?\)"),
        ({"never": ["no_such_place.Error"]}, "got 'no_such_place.Error': ModuleNotFoundError"),
        ({"never": ["json.dumps"]}, "exception classes, got 'json.dumps'"),
        ({"never": [7]}, "exception classes, got 7"),
        ({"search": "customer"}, "`search` as a list of at most 16 argument names, got 'customer'"),
        ({"search": ["kwargs.customer"]}, "`search` to name arguments as the task's signature does, got 'kwargs.cust"),
        ({"search": [f"a{number}" for number in range(17)]}, "at most 16"),
        ({"edit": ["size"]}, "`edit` as at most 16 argument names with a rule each"),
        ({"edit": {"size": "integer"}}, "a rule with a `type` or an `enum`, .* in `edit` of size; got 'integer'"),
        ({"edit": {"size": {"minimum": 1}}}, "a rule with a `type` or an `enum`"),
        ({"edit": {"size": {"type": "integer", "min": 1}}}, "type, enum, minimum, maximum, max_length only"),
        ({"edit": {"size": {"type": "int"}}}, "`type` as one of string, integer, number, boolean .* got 'int'"),
        ({"edit": {"size": {"type": "string", "minimum": 1}}}, "`minimum` as a number, beside type integer or number"),
        ({"edit": {"size": {"type": "integer", "minimum": 9, "maximum": 1}}}, "`minimum` up to the `maximum`"),
        ({"edit": {"size": {"type": "integer", "max_length": 1}}}, "`max_length` .* beside type string"),
        ({"edit": {"size": {"enum": []}}}, "`enum` as a list of 1 to 100 values"),
        ({"edit": {"size": {"type": "integer", "enum": ["a"]}}}, "`enum` of integer only"),
        ({"route": "bulk"}, "`route` as a list"),
        ({"route": ["q"] * 33}, "at most 32"),
        ({"route": [7]}, "a queue's name or a mapping, got 7"),
        ({"route": [{"quue": "bulk"}]}, r"got quue \(meant: queue\?\)"),
        ({"route": [{"region": "eu"}]}, "a queue, an exchange or kwargs"),
        ({"route": [{"exchange": "x"}]}, "an exchange with a routing_key"),
        ({"route": [{"queue": "q", "exchange": "x", "routing_key": "k"}]}, "a queue, or an exchange"),
        ({"route": [""]}, "`queue` of a route as text"),
        ({"route": [{"kwargs": {"at": object()}}]}, "keyword arguments with JSON values"),
        ({"route": [{"kwargs": {"at": float("nan")}}]}, "keyword arguments with JSON values"),
        ({"route": [{"queue": "q", "context_tokens": 0}]}, "a number from 1, got 0"),
        ({"route": [{"queue": "q", "usd_per_million_tokens": -1}]}, "a number from 0, got -1"),
        ({"route": [{"queue": "q", "usd_per_million_tokens": float("inf")}]}, "a number from 0, got inf"),
        ({"route": [{"queue": "q", "capabilities": "vision"}]}, "a list of names"),
        ({"redact": "password"}, "`redact` as a list"),
        (True, r"redrive=\{\.\.\.\}, got True"),
    ],
)
def test_a_wrong_declaration_is_refused_by_name(declared: Any, message: str) -> None:  # noqa: ANN401 - wrong on purpose
    """On a task or on a pattern, a wrong key or value is refused with its owner, what was expected and what came."""
    with pytest.raises(DeclarationError, match=f"task 'shop.pay': expected.*{message}"):
        Declarations().of("shop.pay", declared)
    with pytest.raises(DeclarationError, match=rf"declarations\['shop.\*'\]: expected.*{message}"):
        Declarations({"shop.*": declared})


def test_a_misspelt_redrive_on_a_task_is_refused() -> None:
    """`redirve={...}` would declare nothing, in silence: it is an error that names the task."""
    app = Celery("typos", set_as_current=False)

    @app.task(name="pay", shared=False, redirve={"idempotent": True})  # type: ignore[untyped-decorator]  # celery has no types
    def pay() -> None:
        """Take money."""

    with pytest.raises(DeclarationError, match=r"task 'pay': expected redrive=\{\.\.\.\}, got redirve"):
        Declarations().of_task(app.tasks["pay"])


def test_exceptions_are_named_in_full_however_they_are_declared() -> None:
    """A class, a builtin's name, a dotted name and an alias of it give the name that an event's exception has."""
    never = [KeyError, "ValueError", "json.JSONDecodeError", "celery.exceptions.TimeLimitExceeded", ValueError]
    assert Declarations().of("pay", {"never": never}).as_data()["never"] == [
        "builtins.KeyError",
        "builtins.ValueError",
        "json.decoder.JSONDecodeError",
        f"{TimeLimitExceeded.__module__}.TimeLimitExceeded",
    ]


def test_a_subclass_of_a_never_type_is_named_like_the_type() -> None:
    """The orchestrator compares names: what was raised stands in `never` if a type that it is of does."""
    declared = Declarations().of("pay", {"never": [LookupError]})
    assert declared.as_data(Refused())["never"] == ["builtins.LookupError", f"{__name__}.Refused"]
    assert declared.as_data(LookupError())["never"] == ["builtins.LookupError"]
    assert declared.as_data(ValueError())["never"] == ["builtins.LookupError"]


def test_a_route_is_a_mapping_whatever_it_was_given_as() -> None:
    """A queue's name is short for a route; what a route holds is kept, and is JSON."""
    elsewhere = {"exchange": "eu", "routing_key": "", "kwargs": {"model": "small"}, "region": "eu"}
    route = ["bulk", elsewhere, {"kwargs": {"model": "small"}, "capabilities": ("vision",), "context_tokens": 8000}]
    assert Declarations().of("ask", {"route": route}).as_data()["route"] == [
        {"queue": "bulk"},
        elsewhere,
        {"kwargs": {"model": "small"}, "capabilities": ["vision"], "context_tokens": 8000},
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("declared.toml", '["shop.*"]\ndependency = "db"\nnever = ["KeyError"]\nroute = ["bulk"]\n'),
        ("declared.json", '{"shop.*": {"dependency": "db", "never": ["KeyError"], "route": ["bulk"]}}'),
    ],
)
def test_a_file_declares_by_pattern(name: str, content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TOML and JSON say the same; without the variable there is nothing."""
    assert from_file() == {}
    (tmp_path / name).write_text(content)
    monkeypatch.setenv(VARIABLE, str(tmp_path / name))
    declared = Declarations(from_file(), {"*": {"dependency": "other"}})
    assert declared.of("shop.pay") == Declared("db", route=({"queue": "bulk"},), never=(KeyError,))
    assert declared.of("pay") == Declared("other")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.yaml", "", "ends in .toml or .json"),
        ("a.toml", "a = ", "expected a readable file"),
        ("a.json", "[1]", r"expected name patterns.*\[1\]"),
        ("a.json", None, "expected a readable file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_by_name(
    name: str, content: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is missing, broken or of another shape is an error with the variable's name."""
    if content is not None:
        (tmp_path / name).write_text(content)
    monkeypatch.setenv(VARIABLE, str(tmp_path / name))
    with pytest.raises(DeclarationError, match=f"{VARIABLE}: .*{message}"):
        from_file()
