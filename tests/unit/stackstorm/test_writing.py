"""What is stored of a document is what is read again, whichever writer took it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from orchestrator.stackstorm.embedded.store import writing


@dataclass
class Point:
    """No JSON."""

    x: int


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, -1.5, True, "ä€🙂", {"b": {}}], "c": ""},
        {"a": None},
        [math.inf, -math.inf],
        2**64,
        -(2**70),
        "half of a character: \ud83d",
        {1: "a", None: "b", False: "c"},
        ("a", ("b",)),
        1e16,
        1e-7,
    ],
)
def test_a_value_is_read_again_as_json_reads_its_own_text(value: object) -> None:
    """Numbers that are none, numbers of any length and any text come back."""
    assert json.loads(writing.text(value)) == json.loads(json.dumps(value))


def test_a_number_that_is_none_comes_back_as_such() -> None:
    """NaN is not null."""
    assert math.isnan(json.loads(writing.text({"a": math.nan}))["a"])


@pytest.mark.parametrize("value", [Point(1), datetime(2026, 1, 1, tzinfo=UTC), {"a": {1}}])
def test_what_is_no_json_is_refused(value: object) -> None:
    """As `json` refuses it."""
    with pytest.raises(TypeError):
        writing.text(value)
