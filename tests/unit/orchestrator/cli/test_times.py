"""Times as a person reads and types them."""

from __future__ import annotations

import pytest
import typer

from orchestrator.cli.times import after, ago, before, lasting
from tests.recovery import NOON


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59, "59s"),
        (60, "1m"),
        (150, "2m 30s"),
        (840, "14m"),
        (7_800, "2h 10m"),
        (864_000, "10d"),
        (-3, "0s"),
    ],
)
def test_a_length_is_said_shortly(seconds: float, text: str) -> None:
    """In one unit, or in two where the second says something."""
    assert lasting(seconds) == text


def test_a_moment_is_told_by_how_long_ago_it_was() -> None:
    """In its greatest unit alone; what never was is a dash."""
    assert ago("2025-11-20T09:46:00+00:00", NOON) == "2h"
    assert ago(None, NOON) == "-"


def test_a_length_counts_from_now_back_or_on() -> None:
    """`2h` is two hours before now, or from now; a time with an offset is itself."""
    assert before("2h", NOON) == "2025-11-20T10:00:00+00:00"
    assert after("1.5d", NOON) == "2025-11-22T00:00:00+00:00"
    assert before("2025-11-01T00:00:00Z", NOON) == "2025-11-01T00:00:00+00:00"


@pytest.mark.parametrize("text", ["", "2", "h", "2 h", "yesterday", "2025-11-01T00:00:00", "-2h", "9999999d"])
def test_what_is_no_time_is_refused_with_what_was_expected(text: str) -> None:
    """An offset left out is no time: whose it is would be guessed."""
    with pytest.raises(typer.BadParameter, match="expected a length as 90s"):
        before(text, NOON)
