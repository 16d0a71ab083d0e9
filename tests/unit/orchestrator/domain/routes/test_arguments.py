"""The arguments of a task: read for constraints, replaced by what a route sets, and told when neither can be."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from orchestrator.domain.routes.arguments import ArgumentReader, NotReplaceable, why_fixed, with_kwargs
from orchestrator.domain.routes.constraints import ArgumentUnknown, Constraints, with_arguments
from tests.recovery import message

CALL = [[1, ["a"]], {"tokens": 5, "to": {"region": "eu"}, "price": "0.5", "on": True, "none": None}, {"chain": None}]
MESSAGE = message(body=json.dumps(CALL).encode())

READ = [
    ("context_tokens", "kwargs.tokens", 5),
    ("context_tokens", "args.0", 1),
    ("regions", "kwargs.to.region", ("eu",)),
    ("capabilities", "args.1", ("a",)),
    ("data_class", "kwargs.to.region", "eu"),
    ("usd_per_million_tokens", "kwargs.price", Decimal("0.5")),
]


@pytest.mark.parametrize(("field", "path", "value"), READ)
def test_an_argument_is_read_as_its_constraint_has_it(field: str, path: str, value: object) -> None:
    """The value has the shape that a constraint of this field has."""
    assert ArgumentReader(MESSAGE)(field, path) == value


UNKNOWN = [
    (MESSAGE, "context_tokens", "kwargs.to", "it holds dict, which is no context_tokens"),
    (MESSAGE, "context_tokens", "kwargs.on", "it holds bool, which is no context_tokens"),
    (MESSAGE, "usd_per_million_tokens", "kwargs.on", "it holds no price"),
    (MESSAGE, "context_tokens", "kwargs.nothing", "there is no 'nothing'"),
    (MESSAGE, "context_tokens", "kwargs.none", "there is no 'none'"),
    (MESSAGE, "context_tokens", "args.2", "there is no '2'"),
    (replace(MESSAGE, sealed="x"), "context_tokens", "args.0", "its message is sealed"),
    (replace(MESSAGE, claim={"url": "x"}), "context_tokens", "args.0", "its message is sealed, or lies elsewhere"),
    (replace(MESSAGE, redacted=("kwargs.to",)), "regions", "kwargs.to.region", "kwargs.to was redacted"),
    (replace(MESSAGE, redacted=("args.1.0",)), "regions", "args.1", "args.1.0 was redacted"),
    (replace(MESSAGE, content_type="application/x-python-serialize"), "regions", "args.0", "expected a body in"),
    (replace(MESSAGE, headers={}), "regions", "args.0", "got one of protocol 1"),
    (replace(MESSAGE, body=b"{}"), "regions", "args.0", "expected a body of args, kwargs and embed"),
    (replace(MESSAGE, body=b"\xff"), "regions", "args.0", "got one that cannot be read"),
]


@pytest.mark.parametrize(("given", "field", "path", "why"), UNKNOWN, ids=[each[3] for each in UNKNOWN])
def test_what_cannot_be_read_is_not_known(given: Any, field: str, path: str, why: str) -> None:  # noqa: ANN401 - a message
    """The reason says what is in the way, and the constraint then holds for nothing."""
    with pytest.raises(ArgumentUnknown, match=why):
        ArgumentReader(given)(field, path)
    (unknown,) = with_arguments(Constraints(arguments=((field, path),)), ArgumentReader(given)).unknown
    assert unknown.startswith(f"{field} is demanded by {path}, and that is not known: ")


def test_a_redacted_neighbour_hides_nothing() -> None:
    """Only the redacted argument itself is unknown."""
    given = replace(MESSAGE, redacted=("kwargs.token", "kwargs.to.name"))
    assert ArgumentReader(given)("context_tokens", "kwargs.tokens") == 5
    assert ArgumentReader(given)("regions", "kwargs.to.region") == ("eu",)


def test_only_the_named_arguments_are_replaced() -> None:
    """The others, the positional ones and the canvas stay, and a new name is added."""
    body = with_kwargs(
        MESSAGE.body, MESSAGE.content_type, MESSAGE.content_encoding, MESSAGE.headers, {"tokens": 9, "model": "é"}
    )
    args, kwargs, embed = json.loads(body)
    assert (args, embed) == (CALL[0], CALL[2])
    assert kwargs == CALL[1] | {"tokens": 9, "model": "é"}


def test_a_body_that_is_not_understood_is_left_alone() -> None:
    """Replacing raises with the reason, and whoever decides is told beforehand; what is sealed shows later."""
    odd = replace(MESSAGE, content_type="application/x-yaml")
    with pytest.raises(NotReplaceable, match="expected a body in application/json, got application/x-yaml"):
        with_kwargs(odd.body, odd.content_type, odd.content_encoding, odd.headers, {"a": 1})
    assert why_fixed(odd) == "expected a body in application/json, got application/x-yaml"
    assert why_fixed(MESSAGE) is None
    assert why_fixed(replace(odd, sealed="x")) is None
