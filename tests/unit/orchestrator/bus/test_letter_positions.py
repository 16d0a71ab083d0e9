"""What a route sets in a task's call goes where the task takes it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from orchestrator.bus.letter import letter_of
from orchestrator.domain.edits import Edits
from orchestrator.domain.plan import Route
from tests.recovery import NOON, message

if TYPE_CHECKING:
    from collections.abc import Mapping

ROUTE = Route(queue="other", kwargs={"model": "small"})


def call(args: list[Any], positions: Mapping[str, int | None], route: Route = ROUTE) -> list[Any]:
    """Give args and kwargs of the letter of a task that was called so."""
    given = replace(message(), body=json.dumps([args, {"k": 1}, {}]).encode())
    letter = letter_of(given, uuid4(), route, NOON, Edits({}, positions))
    return list(json.loads(letter.body)[:2])


def test_an_argument_that_was_passed_by_position_is_replaced_there() -> None:
    """By name beside it, the worker would refuse the call: the argument would come twice."""
    assert call(["text", "large"], {"model": 1}) == [["text", "small"], {"k": 1}]


def test_an_argument_that_was_not_passed_is_given_by_name() -> None:
    """Its place lies behind what was passed, or is nowhere, or is not known."""
    for positions in ({"model": 1}, {"model": None}, {}):
        assert call(["text"], positions) == [["text"], {"k": 1, "model": "small"}]
