"""Header values survive the way through JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import orjson
import pytest

from eventbus.wire import freeze, thaw


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        (1 << 63) - 1,
        1 << 64,
        [-(1 << 70)],
        1.5,
        "text",
        b"\x00\xff",
        datetime(2026, 11, 20, 12, tzinfo=UTC),
        Decimal("1.10"),
        float("inf"),
        [1, [b"x"], {"a": b"y"}],
        {"a": 1, "b": {"c": None}},
        {"$bytes": "not a tag"},
        {"$object": {"$bytes": "eA=="}},
        {"$int": 1},
    ],
    ids=repr,
)
def test_a_header_value_comes_back_as_it_was(value: object) -> None:
    """A value that a broker can carry is equal after freezing, JSON and thawing."""
    assert thaw(orjson.loads(orjson.dumps(freeze(value)))) == value


def test_what_json_holds_stays_readable() -> None:
    """A header that is JSON already is not changed by freezing, but for tuples, which become lists."""
    assert freeze({"id": "1", "timelimit": (None, 3)}) == {"id": "1", "timelimit": [None, 3]}


def test_what_no_broker_carries_is_refused() -> None:
    """An arbitrary object is refused with its type."""
    with pytest.raises(TypeError, match="got object"):
        freeze({"a": object()})


def test_half_a_character_is_told_as_a_question_mark() -> None:
    """Half of a surrogate pair has no place in UTF-8, be it in a value or in a name."""
    assert orjson.loads(orjson.dumps(freeze({"a\ud800": "\udfff"}))) == {"a?": "?"}
